#ifndef CYAML_H
#define CYAML_H

// Debian's libyaml-dev: the configuration file.
#include <yaml.h>

#endif
