#include "requant/formats.h"

#include <algorithm>

#include "codec/codec.h"
#include "container/container.h"
#include "dialect/dialect.h"
#include "dialect/recognised_only.h"
#include "dialect/weight_file.h"
#include "plan/block_recipe.h"

namespace requant {
namespace {

bool can_read(const Dialect* dialect) {
  const auto named = recognised_only();
  return std::find(named.begin(), named.end(), dialect) == named.end();
}

}  // namespace

std::vector<FormatInfo> formats() {
  std::vector<FormatInfo> out;
  for (const Container* container : containers()) {
    out.push_back({"container", std::string(container->name), std::string(container->long_name),
                   container->read_header != nullptr,
                   container->name == "safetensors" || container->name == "gguf",
                   std::string(container->source)});
  }
  for (const Dialect* dialect : dialects()) {
    out.push_back({"dialect", std::string(dialect->name), std::string(dialect->long_name),
                   can_read(dialect),
                   dialect->quantization_config != nullptr || weight_file_of(*dialect) != nullptr,
                   std::string(dialect->source)});
  }
  for (const Codec* codec : codecs()) {
    out.push_back({"codec", std::string(codec->name), std::string(codec->long_name),
                   codec->decode != nullptr, codec->encode != nullptr, std::string(codec->source)});
  }
  for (const BlockRecipe& recipe : block_recipes()) {
    out.push_back({"recipe", recipe.name, recipe.what, false, true, recipe.source});
  }
  return out;
}

}  // namespace requant
