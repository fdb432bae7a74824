import ArgumentParser
import CStart
import Client
import Glibc

/// The entry point: reads the command line, runs the command, and reports a failure in one line.
@main
enum Program {
    static func main() {
        FileDescriptors.openStandard()
        // A write to a closed connection must fail with an error instead of ending the program.
        signal(SIGPIPE, SIG_IGN)
        let first = CommandLine.arguments.dropFirst().first ?? ""
        do {
            var command = try Root.parseAsRoot()
            // Only the exporter waits for it.
            if !(command is Serve) { cstart_release_hangups() }
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
                fail(
                    "\(HTTPAddress.withoutUsers(first)): no such command; there are \(commands.joined(separator: ", "))",
                    code: Failure.usage)
            }
            // It may quote an argument that is no flag's value, such as an address after a misspelt `--url`.
            var message = HTTPAddress.withoutUsers(Root.message(for: error))
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
