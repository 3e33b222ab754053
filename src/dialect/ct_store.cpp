#include "dialect/ct_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "codec/ct_packed.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

// Versions from which files are laid out as the present library reads them.
constexpr int kStreamOfBits = 18;  // 0.18: pack-quantized without padding
constexpr int kExponentBias = 14;  // 0.14: mxfp4 exponents with the bias 127, 125 before

Error missing(const ModuleTensors& module, std::string_view key, std::string_view suffix) {
  return corrupt(fmt::format("{}, and {}.{} is missing", describe(*module.find(key)),
                             printable(module.module), suffix));
}

// Everything that the headers say, and the numbers of a shape tensor where they are needed.
struct Shapes {
  WeightParts parts;
  std::vector<std::pair<std::string, const TensorInfo*>> tensors;
  bool from_headers = true;  // false: numbers of a tensor were read

  void add(const ModuleTensors& module, std::string_view suffix) {
    const TensorInfo* tensor = module.find(suffix);
    if (tensor == nullptr) return;
    parts.emplace(suffix, Tensor{tensor->dtype, tensor->shape, {}});
    tensors.emplace_back(suffix, tensor);
  }
};

bool is_sparse(const CtForm& form) { return form.codecs.front().starts_with("ct-sparse"); }

Result<void> check_companions(const CtForm& form, const ModuleTensors& module,
                              const Scheme& declared) {
  for (const std::string_view suffix : {"weight_scale", "weight_packed", "weight_shape"}) {
    const bool wanted = std::ranges::find(form.parts, suffix) != form.parts.end();
    if (wanted && !is_sparse(form) && module.find(suffix) == nullptr) {
      return missing(module, form.key, suffix);
    }
  }
  if (declared.activations.kind == ActivationKind::kStatic &&
      module.find("input_scale") == nullptr) {
    return corrupt(
        fmt::format("{}.input_scale is missing, and the config says that activations are static",
                    printable(module.module)));
  }
  if (declared.offset == Offset::kZero && module.find("weight_zero_point") == nullptr) {
    return corrupt(
        fmt::format("{}.weight_zero_point is missing, and the config says symmetric false",
                    printable(module.module)));
  }
  return {};
}

bool words_fit(std::int64_t cols, int bits, std::int64_t words) {
  return packed_words(cols, bits, WordFill::kStream) == words ||
         (32 % bits != 0 && packed_words(cols, bits, WordFill::kWhole) == words);
}

// The inputs of a packed weight whose declared groups fill its words; 0: they do not say.
std::int64_t cols_of_groups(const WeightParts& parts, const Scheme& declared) {
  const Shape& packed = parts.at("weight_packed").shape;
  const Shape& scale = parts.at("weight_scale").shape;
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  const std::int64_t group = declared.grid.is_group() ? declared.grid.block_cols : 0;
  if (declared.element != Element::kInt || group < 1 || group > kMost || scale.size() != 2 ||
      packed.size() != 2 || scale[1] < 1 || scale[1] > kMost) {
    return 0;
  }
  return words_fit(group * scale[1], declared.bits, packed[1]) ? group * scale[1] : 0;
}

// Puts the bytes of a small tensor beside its shape.
Result<void> load(const Source& source, std::string_view suffix, Shapes& shapes) {
  for (const auto& [name, tensor] : shapes.tensors) {
    if (name != suffix || tensor->bytes > 64) continue;
    RQ_TRY(shapes.parts[name], source.read(*tensor));
    shapes.from_headers = false;
  }
  return {};
}

Result<void> load_shape(const CtForm& form, const Scheme& declared, const Source& source,
                        Shapes& shapes) {
  if (form.codecs.front() == "ct-sparse-bitmask") return load(source, "weight.shape", shapes);
  if (form.codecs.front() != "ct-pack" || shapes.parts.contains("weight_g_idx")) return {};
  if (cols_of_groups(shapes.parts, declared) > 0) return {};
  return load(source, "weight_shape", shapes);
}

std::int64_t number_at(const Tensor& tensor, std::int64_t index) {
  return tensor.elements() > index ? static_cast<std::int64_t>(element_as_double(tensor, index))
                                   : 0;
}

std::int64_t packed_cols(const WeightParts& parts, const Scheme& scheme) {
  if (const auto order = parts.find("weight_g_idx"); order != parts.end()) {
    return order->second.shape[0];
  }
  const Tensor& shape = parts.at("weight_shape");
  return shape.empty() ? cols_of_groups(parts, scheme) : number_at(shape, 1);
}

void set_size(const CtForm& form, const WeightParts& parts, Weight& weight) {
  const std::string_view codec = weight.codec->name;
  const Shape& first = parts.at(std::string(form.parts.front())).shape;
  weight.rows = first[0];
  if (codec == "ct-sparse-bitmask") {
    weight.rows = number_at(parts.at("weight.shape"), 0);
    weight.cols = number_at(parts.at("weight.shape"), 1);
  } else if (codec.starts_with("ct-pack")) {
    weight.cols = packed_cols(parts, weight.scheme);
  } else if (codec == "ct-nvfp4" || codec == "ct-mxfp4" || codec == "ct-sparse-24") {
    weight.cols = first[1] * 2;
  } else if (codec == "ct-marlin-24") {
    weight.rows = parts.at("scale_packed").shape[1];
    weight.cols = first[0] * 32;
  } else if (codec == "ct-mxfp6") {
    weight.cols = first[1] / 3 * 4;
  } else {
    weight.cols = first[1];
  }
}

// "0.13.0" -> 13, "1.0" -> a large number, -1 where there is none.
int minor_version(std::string_view version) {
  const auto parts = split(version, '.');
  if (parts.size() < 2) return -1;
  if (parts[0] != "0") return 1000;
  return static_cast<int>(Json::number(std::string(parts[1])).as_int().value_or(-1));
}

struct Fit {
  const Codec* codec = nullptr;
  Scheme scheme;
};

// Words of 8 bits are as many as padded words of 7: then the declared bits decide. Where a small
// weight fits both ways of packing, the version does.
std::optional<Fit> choose(const std::vector<Fit>& fits, const Scheme& declared,
                          const CtConfig& config) {
  if (fits.empty()) return std::nullopt;
  if (fits.size() == 1) return fits.front();
  if (fits.front().scheme.bits != fits.back().scheme.bits) {
    const bool is_last = fits.back().scheme.bits == declared.bits;
    return is_last ? fits.back() : fits.front();
  }
  return minor_version(config.version) < kStreamOfBits ? fits.back() : fits.front();
}

Result<void> refuse_old_mxfp4(const Weight& weight, const CtConfig& config) {
  const int minor = minor_version(config.version);
  if (weight.codec->name != "ct-mxfp4" || minor < 0 || minor >= kExponentBias) return {};
  return refused(fmt::format(
      "{}: compressed-tensors {} stored mxfp4 exponents with a bias of 125, which no engine reads "
      "as it is; quantise the model again with 0.14 or later",
      printable(weight.module), config.version));
}

Error unreadable(const CtForm& form, const ModuleTensors& module, const Scheme& declared) {
  const TensorInfo& codes = *module.find(form.key);
  const TensorInfo* scale = module.find("weight_scale");
  return corrupt(fmt::format("{}: no {} weight, with {} (the config says {})", describe(codes),
                             form.format, scale == nullptr ? "no scale" : describe(*scale),
                             requant::describe(declared)));
}

struct Stored {
  Weight weight;
  bool from_headers = true;
};

Result<Stored> look_at(const CtForm& form, const ModuleTensors& module, const Scheme& declared,
                       const CtConfig& config, const Source& source) {
  RQ_CHECK(check_companions(form, module, declared));
  Shapes shapes;
  for (const std::string_view suffix : form.parts) shapes.add(module, suffix);
  const bool is_static = declared.activations.kind == ActivationKind::kStatic;
  if (is_static) {
    shapes.add(module, "input_scale");
    shapes.add(module, "input_zero_point");
  }
  RQ_CHECK(load_shape(form, declared, source, shapes));
  std::vector<Fit> fits;
  for (const std::string_view name : form.codecs) {
    const Codec* codec = find_codec(name);
    if (auto scheme = codec->scheme_of(shapes.parts, declared)) {
      fits.push_back({codec, *std::move(scheme)});
    }
  }
  auto fit = choose(fits, declared, config);
  if (!fit) return unreadable(form, module, declared);
  Stored stored;
  Weight& weight = stored.weight;
  weight.module = module.module;
  weight.codec = fit->codec;
  weight.scheme = std::move(fit->scheme);
  set_size(form, shapes.parts, weight);
  const bool is_divided = weight.scheme.activations.orientation == Orientation::kDivisor;
  if (is_divided) shapes.add(module, "input_global_scale");
  weight.parts = std::move(shapes.tensors);
  if (is_divided && module.find("input_global_scale") == nullptr) {
    return missing(module, form.key, "input_global_scale");
  }
  RQ_CHECK(refuse_old_mxfp4(weight, config));
  stored.from_headers = shapes.from_headers;
  return stored;
}

// The same tensors, by suffix, dtype and shape.
bool alike(const ModuleTensors& a, const ModuleTensors& b) {
  return std::ranges::equal(a.parts, b.parts, [](const auto& x, const auto& y) {
    return x.first == y.first && x.second->dtype == y.second->dtype &&
           x.second->shape == y.second->shape;
  });
}

}  // namespace

const CtStore::Known* CtStore::find_alike(const CtForm& form, const ModuleTensors& module,
                                          const Scheme& declared) const {
  const auto found = std::ranges::find_if(known_, [&](const Known& known) {
    return known.form == &form && known.declared == &declared && alike(*known.module, module);
  });
  return found == known_.end() ? nullptr : &*found;
}

Result<Weight> CtStore::weight_of(const CtForm& form, const ModuleTensors& module, Module place,
                                  const Scheme& declared) {
  constexpr std::size_t kMostKnown = 64;
  if (const Known* known = find_alike(form, module, declared)) {
    Weight weight = known->weight;
    weight.module = module.module;
    weight.place = std::move(place);
    for (auto& [suffix, tensor] : weight.parts) tensor = module.find(suffix);
    return weight;
  }
  if (module.find(form.key)->shape.size() == 3) {
    return refused(describe(*module.find(form.key)) + ": stacks of experts cannot be read yet");
  }
  // Sparse weights need not be quantised, whatever the config says.
  const bool is_plain = is_sparse(form) && module.find("weight_scale") == nullptr;
  RQ_TRY(Stored stored, look_at(form, module, is_plain ? Scheme() : declared, config_, source_));
  if (stored.from_headers && known_.size() < kMostKnown) {
    known_.push_back({&form, &declared, &module, stored.weight});
  }
  stored.weight.place = std::move(place);
  return std::move(stored.weight);
}

const Codec* ct_codec_for(const Scheme& scheme) {
  // As the library chooses: integers are packed where activations are not quantised.
  const bool packs = scheme.activations.kind == ActivationKind::kNone;
  for (const std::string_view name : {packs ? "ct-pack" : "ct-quantized", "ct-quantized", "ct-pack",
                                      "ct-nvfp4", "ct-mxfp4", "ct-mxfp6", "ct-mxfp8"}) {
    const Codec* codec = find_codec(name);
    if (codec->holds(scheme)) return codec;
  }
  return nullptr;
}

}  // namespace requant
