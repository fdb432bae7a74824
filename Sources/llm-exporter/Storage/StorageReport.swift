import Model
import Store

/// Turns a store's error into the failure that ends the program.
func reportingFailure<Result>(_ body: () throws(StoreError) -> Result) throws(Failure) -> Result {
    do throws(StoreError) {
        return try body()
    } catch {
        throw Failure(error.description)
    }
}

extension Inspection.Report {
    /// One line for people.
    var text: String {
        "batch \(batch), \(series) sets, \(calls) calls, \(ids) ids, \(openCalls) open calls"
    }
}

extension CallSums {
    /// One line for people.
    var text: String {
        "\(calls) calls, \(tokens) tokens, \(PlainDecimal.text(picoUSD, scale: Money.scale)) USD"
    }
}
