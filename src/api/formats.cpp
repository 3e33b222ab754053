#include "requant/formats.h"

#include "codec/codec.h"
#include "container/container.h"
#include "dialect/dialect.h"

namespace requant {

std::vector<FormatInfo> formats() {
  std::vector<FormatInfo> out;
  for (const Container* container : containers()) {
    out.push_back({"container", std::string(container->name), std::string(container->long_name),
                   container->read_header != nullptr, container->name == "safetensors",
                   std::string(container->source)});
  }
  for (const Dialect* dialect : dialects()) {
    out.push_back({"dialect", std::string(dialect->name), std::string(dialect->long_name),
                   dialect->resolve != nullptr, dialect->quantization_config != nullptr,
                   std::string(dialect->source)});
  }
  for (const Codec* codec : codecs()) {
    out.push_back({"codec", std::string(codec->name), std::string(codec->long_name),
                   codec->decode != nullptr, codec->encode != nullptr, std::string(codec->source)});
  }
  return out;
}

}  // namespace requant
