#include <array>

#include "codec/codec.h"

namespace requant {

// codec.def is written by codec/CMakeLists.txt: one ENTRY(name) for each file.
#define ENTRY(id) extern const Codec k_codec_##id;
#include "codec.def"
#undef ENTRY

namespace {

constexpr auto kCodecs = std::to_array<const Codec*>({
#define ENTRY(id) &k_codec_##id,
#include "codec.def"
#undef ENTRY
});

}  // namespace

std::span<const Codec* const> codecs() { return kCodecs; }

const Codec* find_codec(std::string_view name) {
  for (const Codec* codec : kCodecs) {
    if (codec->name == name) return codec;
  }
  return nullptr;
}

}  // namespace requant
