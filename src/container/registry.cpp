#include "container/container.h"

namespace requant {

#define ENTRY(name) extern const Container k_container_##name;
#include "containers.def"
#undef ENTRY

std::span<const Container* const> containers() {
#define ENTRY(name) &k_container_##name,
  static constexpr const Container* kContainers[] = {
#include "containers.def"
  };
#undef ENTRY
  return kContainers;
}

}  // namespace requant
