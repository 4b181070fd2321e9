/* What the generated module includes: the public headers of the core. */
#include "hf_p256.h"
#include "hf_token.h"
