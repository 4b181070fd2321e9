/* What the generated module includes: the public headers of the core, and the one call that they do not have. */
#include "hf_p256.h"
#include "hf_token.h"
#include "token_call.h"
