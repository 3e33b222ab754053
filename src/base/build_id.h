#pragma once

#include <string>

namespace requant {

// Tells two builds of this program apart where the linker left a build id: lower-case hex. Else
// empty.
std::string build_id();

}  // namespace requant
