#include "dialect/gguf_write.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "arch/gguf_family.h"
#include "base/text.h"
#include "container/ggml_types.h"
#include "dialect/gguf_keys.h"
#include "dialect/gguf_names.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kContainer = "gguf";
constexpr std::uint32_t kQuantizationVersion = 2;  // GGML_QNT_VERSION

// LLAMA_FTYPE_MOSTLY_*; of K types those of mixes, which is what files of them are.
struct FileType {
  std::string_view type;
  std::uint32_t number;
};
constexpr auto kFileTypes = std::to_array<FileType>({{"F32", 0},
                                                     {"F16", 1},
                                                     {"Q4_0", 2},
                                                     {"Q4_1", 3},
                                                     {"Q8_0", 7},
                                                     {"Q5_0", 8},
                                                     {"Q5_1", 9},
                                                     {"Q2_K", 10},
                                                     {"Q3_K", 12},
                                                     {"Q4_K", 15},
                                                     {"Q5_K", 17},
                                                     {"Q6_K", 18},
                                                     {"IQ4_NL", 25},
                                                     {"IQ4_XS", 30},
                                                     {"BF16", 32},
                                                     {"TQ1_0", 36},
                                                     {"TQ2_0", 37},
                                                     {"MXFP4", 38},
                                                     {"NVFP4", 39}});

std::string_view type_of(const TensorInfo& tensor) {
  return tensor.encoding().empty() ? ggml_name_of(tensor.dtype) : tensor.encoding();
}

// A tensor of the file, and of which tensors of the request it consists.
struct Stored {
  GgufTensor tensor;
  std::vector<std::size_t> parts;  // one, or the experts in their order
};

class Layout {
 public:
  explicit Layout(const FileRequest& request)
      : request_(request), from_gguf_(request.source.container() == kContainer) {}

  Result<FileLayout> run() {
    RQ_CHECK(find_names());
    RQ_CHECK(collect());
    RQ_TRY(const GgufKeyBytes keys, from_gguf_ ? kept_keys() : made_keys());
    std::vector<GgufTensor> table;
    for (const Stored& stored : stored_) table.push_back(stored.tensor);
    RQ_TRY(GgufFile file, gguf_file(keys, table));
    FileLayout layout{.header = std::move(file.header), .bytes = file.bytes, .tensors = {}};
    layout.tensors.assign(request_.tensors.begin(), request_.tensors.end());
    for (std::size_t i = 0; i < stored_.size(); ++i) {
      std::uint64_t offset = file.offsets[i];
      for (const std::size_t part : stored_[i].parts) {
        RQ_CHECK_IN(place(stored_[i], offset, layout.tensors[part]),
                    printable(layout.tensors[part].name));
        offset += layout.tensors[part].bytes;
      }
    }
    return layout;
  }

 private:
  // The family whose names the tensors have; nullptr: they have the file's own.
  Result<void> find_names() {
    const std::string_view type = text_at(&request_.config, "model_type");
    if (from_gguf_ && type == kContainer) return {};
    family_ = find_gguf_family_of(type);
    if (family_ != nullptr) return {};
    return refused(fmt::format("no data of this build say what llama.cpp calls the tensors of {}",
                               in_quotes(type)));
  }

  // In the order of the source's file, or else in that of the request.
  std::vector<std::size_t> order() const {
    std::vector<std::size_t> order(request_.tensors.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (!from_gguf_) return order;
    const auto place_of = [&](std::size_t i) {
      const TensorInfo* info = request_.source.find(request_.tensors[i].name);
      return info == nullptr ? std::pair(UINT32_MAX, UINT64_MAX)
                             : std::pair(info->file, info->offset);
    };
    std::ranges::stable_sort(order, {}, place_of);
    return order;
  }

  Result<void> collect() {
    std::map<std::string, std::size_t> by_name;
    for (const std::size_t i : order()) {
      const TensorInfo& info = request_.tensors[i];
      RQ_TRY_IN(const GgufFamily::Name name, name_of(info), printable(info.name));
      const auto [found, is_new] = by_name.emplace(name.module, stored_.size());
      if (is_new) {
        RQ_TRY_IN(Shape shape, elements_of(info), printable(info.name));
        stored_.push_back({{name.module, type_of(info), std::move(shape)}, {}});
      }
      Stored& stored = stored_[found->second];
      const auto place = static_cast<std::size_t>(std::max<std::int64_t>(name.expert, 0));
      if (place != stored.parts.size() && name.expert >= 0) {
        return refused(fmt::format("{}: experts before it are missing", printable(info.name)));
      }
      if (stored.tensor.type != type_of(info) || (name.expert < 0 && !stored.parts.empty())) {
        return refused(fmt::format("{}: as {} it does not fit beside the others of {}",
                                   printable(info.name), type_of(info), name.module));
      }
      stored.parts.push_back(i);
      if (name.expert >= 0) experts_[name.module] = name.expert + 1;
    }
    for (Stored& stored : stored_) {
      const auto experts = experts_.find(stored.tensor.name);
      if (experts == experts_.end()) continue;
      Shape& shape = stored.tensor.shape;
      const bool is_factor = shape == Shape{1};
      if (is_factor) {
        shape = {experts->second};
      } else {
        shape.insert(shape.begin(), experts->second);
      }
    }
    return {};
  }

  Result<GgufFamily::Name> name_of(const TensorInfo& info) const {
    if (family_ == nullptr) return GgufFamily::Name{.module = info.name};
    const auto [module, suffix] = split_tensor_name(info.name);
    auto name = family_->name_of(module);
    const bool is_part = suffix == "weight" || suffix == "bias" || suffix == "scale";
    if (!name || !is_part) return refused("llama.cpp has no name for it that this build knows");
    name->module = fmt::format("{}.{}", name->module, suffix);
    return *std::move(name);
  }

  static Result<Shape> elements_of(const TensorInfo& info) {
    Shape shape = info.shape;
    if (type_of(info).empty()) return refused(fmt::format("ggml has no {}", name_of_dtype(info)));
    if (shape.empty()) shape = {1};
    if (!info.encoding().empty()) shape.back() = gguf_row_elements(info);
    return shape;
  }
  static std::string_view name_of_dtype(const TensorInfo& info) {
    return requant::name_of(info.dtype);
  }

  Result<void> place(const Stored& stored, std::uint64_t offset, TensorInfo& info) const {
    info.offset = offset;
    if (family_ == nullptr || !family_->rotary_pairs) return {};
    const auto [module, suffix] = split_tensor_name(stored.tensor.name);
    const bool is_query = module.ends_with(".attn_q");
    if ((!is_query && !module.ends_with(".attn_k")) || suffix == "scale") return {};
    const Json* heads = is_query ? nullptr : request_.config.find("num_key_value_heads");
    if (heads == nullptr) heads = request_.config.find("num_attention_heads");
    return pair_rows(heads == nullptr ? 0 : heads->as_int().value_or(0), info);
  }

  bool is_as_in_source() const {
    return std::ranges::all_of(request_.tensors, [&](const TensorInfo& info) {
      const TensorInfo* old = request_.source.find(info.name);
      return old != nullptr && type_of(*old) == type_of(info);
    });
  }

  Result<GgufKeyBytes> kept_keys() const {
    RQ_TRY(GgufKeyBytes keys, GgufKeyBytes::read(request_.source.files().front()));
    if (request_.source.files().size() > 1) {
      for (const char* key : {"split.no", "split.count", "split.tensors.count"}) keys.erase(key);
    }
    if (!is_as_in_source()) set_file_type(keys);
    return keys;
  }

  Result<GgufKeyBytes> made_keys() const {
    GgufKeyBytes keys;
    RQ_CHECK(add_gguf_model(request_.config, keys));
    // config.json has one of several names for it.
    for (const auto& [name, experts] : experts_) {
      keys.set_u32(family_->architecture + ".expert_count", static_cast<std::uint32_t>(experts));
    }
    set_file_type(keys);
    std::int64_t tokens = 0;
    for (const Stored& stored : stored_) {
      if (stored.tensor.name == "token_embd.weight") tokens = stored.tensor.shape.front();
    }
    RQ_CHECK(add_gguf_vocabulary(request_, tokens, keys));
    return keys;
  }

  void put_file_type(GgufKeyBytes& keys, std::uint32_t number) const {
    keys.set_u32("general.file_type", number);
    keys.set_u32("general.quantization_version", kQuantizationVersion);
  }

  // The type of which there are the most bytes, unless the request says which.
  void set_file_type(GgufKeyBytes& keys) const {
    if (request_.file_type) return put_file_type(keys, *request_.file_type);
    std::map<std::string_view, std::uint64_t> bytes;
    for (const TensorInfo& info : request_.tensors) {
      const bool is_matrix = info.shape.size() > 1;
      if (is_matrix) bytes[type_of(info)] += info.bytes;
    }
    const auto most =
        std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; });
    if (most == bytes.end()) return;
    const auto known = std::ranges::find(kFileTypes, most->first, &FileType::type);
    if (known == kFileTypes.end()) return keys.erase("general.file_type");
    put_file_type(keys, known->number);
  }

  const FileRequest& request_;
  bool from_gguf_;
  const GgufFamily* family_ = nullptr;
  std::vector<Stored> stored_;
  std::map<std::string, std::int64_t> experts_;
};

// llama.cpp adds and multiplies vectors, and computes the router, in F32 alone.
std::optional<DType> stored_dtype(const DenseTensor& tensor) {
  const bool is_router = tensor.place.role == Role::kRouter;
  if (tensor.tensor->shape.size() < 2 || is_router) return DType::kF32;
  return std::nullopt;
}

constexpr WeightFile kFile = {
    .name = "model.gguf", .layout = gguf_file_layout, .stored_dtype = stored_dtype};

}  // namespace

const WeightFile* weight_file_of(const Dialect& dialect) {
  return dialect.name == kContainer ? &kFile : nullptr;
}

Result<FileLayout> gguf_file_layout(const FileRequest& request) { return Layout(request).run(); }

}  // namespace requant
