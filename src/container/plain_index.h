#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "container/index.h"

namespace requant {

// The JSON of an index as every writer spells it, its shards in the order in which they come and
// not looked at. Nothing where anything at all is unusual or wrong: the reader that knows the whole
// grammar then says what. A tensor that comes twice is not noticed here.
std::optional<ShardIndex> read_plain_index(std::string_view json);

}  // namespace requant
