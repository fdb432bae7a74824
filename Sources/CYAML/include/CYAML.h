#ifndef CYAML_H
#define CYAML_H

// libyaml, which reads the configuration files.
#include <yaml.h>

#endif
