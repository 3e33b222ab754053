#include "requant/version.h"

namespace requant {

std::string_view version() { return REQUANT_VERSION; }

}  // namespace requant
