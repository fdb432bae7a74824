// Debian's libyaml-dev: the configuration file.
#include <yaml.h>
