import ArgumentParser
import Glibc

/// The program's beginning: reads the command line, runs the command, and turns each failure into one clear line.
@main
enum Program {
    static func main() {
        // A peer that went away must be an error of one write, not the end of the program.
        signal(SIGPIPE, SIG_IGN)
        let first = CommandLine.arguments.dropFirst().first ?? ""
        do {
            var command = try Root.parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            if failure.isLogged { exit(failure.exitCode) }
            fail(failure.description, code: failure.exitCode)
        } catch {
            if Root.exitCode(for: error).isSuccess {
                print(Root.fullMessage(for: error))
                return
            }
            let commands = Root.configuration.subcommands.compactMap { $0.configuration.commandName }
            guard first.isEmpty || first.hasPrefix("-") || commands.contains(first) else {
                fail("\(first): no such command; there are \(commands.joined(separator: ", "))", code: Failure.usage)
            }
            var message = Root.message(for: error)
            if message.hasSuffix(".") { message.removeLast() }
            let command = commands.contains(first) ? first : "serve"
            fail("\(message) (llm-exporter help \(command) lists its flags)", code: Failure.usage)
        }
    }

    private static func fail(_ line: String, code: Int32) -> Never {
        StandardError.write("llm-exporter: " + line + "\n", priority: LogLevel.error.priority)
        exit(code)
    }
}

/// The commands. `serve` is the one meant where none is named.
struct Root: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "llm-exporter",
        abstract: "Counts the calls, tokens, cost, latency and errors of LLM agents for Prometheus.",
        discussion: "Without a command it runs the exporter; llm-exporter help serve lists the flags.",
        version: Version.text,
        subcommands: [
            Serve.self, Send.self, Simulate.self, Prices.self, CheckStorage.self, Backup.self, Reset.self, Forget.self,
        ],
        defaultSubcommand: Serve.self)
}

/// A failure that ends the program, as one line.
struct Failure: Error, CustomStringConvertible {
    /// Names what failed, where, and the remedy.
    let description: String
    let exitCode: Int32
    /// Whether the log has said it already.
    var isLogged = false

    /// A failure at run time (docs/flags.md).
    static let runtime: Int32 = 1
    /// Bad flags or configuration (docs/flags.md).
    static let usage: Int32 = 2

    init(_ description: String, exitCode: Int32 = Failure.runtime) {
        self.description = description
        self.exitCode = exitCode
    }
}
