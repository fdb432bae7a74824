import Bodies
import HTTP

extension Service {
    /// `GET /api/v1/rejections`: the last records and posts that were rejected, the newest first.
    func recentRejections(_ answer: Answer) {
        var json = JSONWriter()
        json.object { json in
            json.key("rejections")
            json.array { json in
                for rejection in rejections.newestFirst { json.object { json in rejection.write(to: &json) } }
            }
        }
        answer.send(.json(200, json))
    }
}
