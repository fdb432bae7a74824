import Glibc

/// The process's open files.
enum FileDescriptors {
    /// Opens standard input, output and error on /dev/null if the parent process closed them. Else sockets and the
    /// database would take their numbers, and a line of the log would be written there.
    static func openStandard() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // The system gives the lowest number that is free. Without it nothing can be said, and nothing is safe.
            // Safe: the call reads a static text.
            guard unsafe open("/dev/null", O_RDWR) == descriptor else { exit(Failure.runtime) }
        }
    }

    /// Raises the soft limit to the hard one, as far as is of use; a failure leaves the limit as it was.
    static func raiseLimit() {
        var limits = rlimit()
        // Safe: both calls use the local struct while they run.
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return }
        limits.rlim_cur = min(limits.rlim_max, max(limits.rlim_cur, 65_536))
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
    }
}
