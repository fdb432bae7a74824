#include "CBuild.h"

const char *cbuild_revision(void)
{
    return LLM_EXPORTER_REVISION;
}
