import ArgumentParser
import Client
import Glibc

/// The entry point: reads the command line, runs the command, and reports a failure in one line.
@main
enum Program {
    static func main() {
        FileDescriptors.openStandard()
        // A write to a closed connection must fail with an error instead of ending the program.
        signal(SIGPIPE, SIG_IGN)
        // A reload that comes while the exporter still starts waits until it serves, and does not end it.
        let reloads = Signals(SIGHUP)
        let first = CommandLine.arguments.dropFirst().first ?? ""
        do {
            var command = try Root.parseAsRoot()
            if !(command is Serve) { reloads.release() }
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
        // It may quote an argument that is no flag's value, such as an address after a misspelt `--url`.
        let line = HTTPAddress.withoutUsers(line)
        StandardError.write("llm-exporter: " + line + "\n", priority: LogLevel.error.priority)
        exit(code)
    }
}
