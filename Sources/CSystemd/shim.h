// Debian's libsystemd-dev: what a service and its manager tell each other.
#include <systemd/sd-daemon.h>
