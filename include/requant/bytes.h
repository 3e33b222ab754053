#pragma once

#include <cstdint>
#include <string>

namespace requant {

// A size for people: "812 B", "1.54 KB", "26.1 GB"; decimal units, as disks and hubs count.
std::string human_bytes(std::uint64_t bytes);

}  // namespace requant
