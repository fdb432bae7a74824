import Glibc
import Testing

@testable import Client

/// Pipes that hold a text which fits their buffer, closed for writing.
enum Pipe {
    static func input(holding text: String) throws -> InputFile {
        InputFile(descriptor: try descriptor(holding: text), name: "a pipe")
    }

    static func replaceStandardInput(by text: String) throws {
        let descriptor = try descriptor(holding: text)
        try #require(dup2(descriptor, STDIN_FILENO) == STDIN_FILENO)
        close(descriptor)
    }

    private static func descriptor(holding text: String) throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        // Safe: the array has the two elements that are written.
        try #require(unsafe pipe(&ends) == 0)
        let bytes = Array(text.utf8)
        // Safe: the array is as long as the count that is given with it.
        try #require(unsafe write(ends[1], bytes, bytes.count) == bytes.count)
        close(ends[1])
        return ends[0]
    }
}
