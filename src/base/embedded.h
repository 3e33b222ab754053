#pragma once

#include <span>
#include <string_view>

namespace requant {

// A data file that was built into the program (tools/embed.py, rq_embed() in
// cmake/RequantEmbed.cmake). Both texts live as long as the program.
struct EmbeddedFile {
  std::string_view name;  // "llama.json"
  std::string_view text;
};

}  // namespace requant
