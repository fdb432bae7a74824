// The one header of libcurl that the shim needs; found by pkg-config.
#include <curl/curl.h>
