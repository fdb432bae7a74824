#ifndef CSYSTEMD_H
#define CSYSTEMD_H

// Debian's libsystemd-dev: what a service and its manager tell each other.
#include <systemd/sd-daemon.h>

#endif
