import Concurrency
import Configuration
import Dispatch
import Formats
import HTTP
import Ledger
import Logging
import Synchronization

extension Service {
    /// `POST /-/reload`: 200 when the new configuration is in force, 500 when the old one stays.
    func reload(_ answer: Answer) {
        reload { failure in
            if let failure {
                answer.send(.reload(failure))
            } else {
                answer.send(.text(200, "reloaded\n"))
            }
        }
    }

    /// Reads prices, budgets and the web configuration, and puts them in force once the budgets are stored. If anything
    /// fails, all old ones stay.
    ///
    /// - Parameter reply: called once, with what is wrong and where; `nil` when all is in force.
    func reload(_ reply: @escaping @Sendable (_ failure: String?) -> Void) {
        @Sendable func report(_ reason: String) {
            metrics.reloaded(succeeded: false)
            log.error("Reload failed: the old configuration stays in force", metadata: ["reason": "\(reason)"])
        }
        @Sendable func fail(_ reason: String) {
            report(reason)
            reply("the old configuration stays in force: \(reason)")
        }
        reloader.async(
            execute: DispatchWorkItem { [self] in
                let configuration: Configuration
                let candidate: WebAccess.Candidate?
                do throws(ConfigurationError) {
                    configuration = try Configuration(settings.configuration)
                    try configuration.checkReplacing(hadFileContent: hasFileContent.load(ordering: .relaxed))
                    candidate = try web?.candidate()
                } catch {
                    fail(error.description)
                    return
                }
                let refused = Locked<String?>(nil)
                ledger.configure(configuration.budgets) { [self] in
                    do throws(ConfigurationError) {
                        // Another reload may have come in between.
                        try configuration.checkReplacing(hadFileContent: hasFileContent.load(ordering: .relaxed))
                        if let candidate { try web?.use(candidate) }
                    } catch {
                        refused.withLock { $0 = error.description }
                        report(error.description)
                        return
                    }
                    use(configuration)
                    metrics.reloaded(succeeded: true)
                } reply: { [self] result in
                    switch result {
                    case .success: reply(refused.withLock { $0 })
                    case .failure(.outcomeUnknown):
                        fail(
                            "it is not known yet whether the new budgets are stored; if they are, they will be used, "
                                + "and the log will say so")
                    case .failure(let refusal):
                        let problem = Refusal.ledger(refusal).problem(bodyLimitBytes: settings.bodyLimitBytes)
                        fail(problem?.detail ?? "\(refusal)")
                    }
                }
            })
    }

    /// Puts a configuration in force whose budgets the ledger has stored.
    private func use(_ configuration: Configuration) {
        pricer.use(PriceRules(configuration))
        priceTableTime.withLock { $0 = configuration.priceTableTime }
        operatorAttributes.withLock { $0 = OperatorAttributes(configuration) }
        sources.withLock { $0 = CountedSources(configuration.sourceRules, spellings: configuration.prices.spellings) }
        hasFileContent.store(configuration.hasFileContent, ordering: .relaxed)
        log.noteConfiguration("Reloaded", configuration)
    }
}

extension OperatorAttributes {
    init(_ configuration: Configuration) {
        self.init(
            agentNames: configuration.agentAttributes, kept: Set(configuration.planRules.flatMap(\.attributes.keys)))
    }
}

extension Logger {
    /// Logs what a configuration has, and what in it looks like a mistake.
    func noteConfiguration(_ message: Logger.Message, _ configuration: Configuration) {
        info(
            message,
            metadata: ["prices": "\(configuration.prices.count)", "budgets": "\(configuration.budgets.count)"])
        for warning in configuration.warnings { self.warning("\(warning)") }
    }
}
