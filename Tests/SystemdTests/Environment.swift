import Glibc

/// Sets variables of this process, or removes them. Only for a process that has no other thread which reads them.
func setEnvironment(_ variables: [String: String?]) {
    for (name, value) in variables {
        // Safe: the texts are lent as C strings for the call, and copied.
        if let value { unsafe setenv(name, value, 1) } else { unsafe unsetenv(name) }
    }
}
