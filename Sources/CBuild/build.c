#include "CBuild.h"

const char *llmbuild_revision(void)
{
    return LLM_EXPORTER_REVISION;
}
