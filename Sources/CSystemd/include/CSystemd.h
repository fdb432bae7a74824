#ifndef CSYSTEMD_H
#define CSYSTEMD_H

// Debian's libsystemd-dev: the protocol between a service and its manager.
#include <systemd/sd-daemon.h>

#endif
