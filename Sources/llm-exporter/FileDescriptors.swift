import Glibc

/// The process's limit of open files; each connection takes one.
enum FileDescriptors {
    /// Raises the soft limit to the hard one, as far as is of use; a failure leaves the limit as it was.
    static func raiseLimit() {
        var limits = rlimit()
        // Safe: both calls use the local struct while they run.
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return }
        limits.rlim_cur = min(limits.rlim_max, max(limits.rlim_cur, 65_536))
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
    }
}
