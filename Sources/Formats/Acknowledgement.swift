package import Bodies
internal import HTTP
package import Model

extension Outcome {
    /// Writes the members of an acknowledgement (docs/openapi.yaml, `Acknowledgement`).
    package func write(to json: inout JSONWriter) {
        json.key("accepted")
        json.number(accepted + uncounted)
        json.key("duplicates")
        json.number(duplicates)
        json.key("rejected")
        json.number(rejections.count)
        json.key("errors")
        json.array { json in
            for listed in rejections.listed {
                let rejection = listed.rejection
                json.object { json in
                    json.key("index")
                    json.number(listed.index)
                    if let field = rejection.field {
                        json.key("field")
                        json.string(field)
                    }
                    json.key("code")
                    json.string(rejection.code.rawValue)
                    json.key("message")
                    json.string(rejection.message)
                }
            }
        }
        guard !warnings.isEmpty else { return }
        json.key("warnings")
        json.array { json in for warning in warnings { json.string(warning) } }
    }

    /// The acknowledgement: always 200, even if records were rejected.
    var acknowledgement: Response {
        var json = JSONWriter()
        json.object { json in write(to: &json) }
        return .json(200, json)
    }
}
