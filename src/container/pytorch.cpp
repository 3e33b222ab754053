// What torch.save writes since PyTorch 1.6, a zip archive of stored entries:
//   NAME/data.pkl    a pickle of the state_dict, in which a tensor names its storage
//   NAME/byteorder   "little" or "big"; older versions have none and mean little
//   NAME/data/KEY    the bytes of a storage, which several tensors may share
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "container/container.h"
#include "container/foreign.h"
#include "container/pickle.h"
#include "container/strided.h"
#include "container/zip.h"

namespace requant {
namespace {

using Kind = PyValue::Kind;
using Role = PyGlobal::Role;

constexpr std::uint64_t kMaxPickleBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kHeadBytes = 4096;
constexpr std::string_view kPickleEnd = "/data.pkl";
constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxDimensions = 64;
constexpr std::size_t kMaxAllDimensions = std::size_t{1} << 22;  // of all tensors together
constexpr std::size_t kMaxVisits = std::size_t{1} << 22;
constexpr std::size_t kMaxListedNumbers = 64;
constexpr int kMaxDepth = 32;

// The archive's files, by their names without the folder that all lie in.
struct Archive {
  std::string folder;
  std::vector<ZipEntry> entries;
  std::unordered_map<std::string_view, const ZipEntry*> by_name;

  const ZipEntry* find(std::string_view name) const {
    const auto found = by_name.find(name);
    return found == by_name.end() ? nullptr : found->second;
  }
};

Result<Archive> open_archive(const File& file) {
  Archive archive;
  RQ_TRY(archive.entries, read_zip(file));
  for (const ZipEntry& entry : archive.entries) {
    if (!entry.name.ends_with(kPickleEnd)) continue;
    const std::string folder = entry.name.substr(0, entry.name.size() - kPickleEnd.size());
    if (folder.find('/') != std::string::npos) continue;
    if (!archive.folder.empty()) return corrupt("two pickles data.pkl in the zip archive");
    archive.folder = folder;
  }
  if (archive.folder.empty()) {
    return refused("a zip archive without data.pkl, expected what torch.save writes");
  }
  for (const ZipEntry& entry : archive.entries) {
    const std::string_view name = entry.name;
    if (name.size() <= archive.folder.size() || !name.starts_with(archive.folder) ||
        name[archive.folder.size()] != '/') {
      return corrupt(fmt::format("zip entry {} lies outside of {}", in_quotes(name),
                                 in_quotes(archive.folder)));
    }
    archive.by_name.emplace(name.substr(archive.folder.size() + 1), &entry);
  }
  return archive;
}

Result<void> check_byte_order(const File& file, const Archive& archive) {
  const ZipEntry* entry = archive.find("byteorder");
  if (entry == nullptr) return {};
  RQ_TRY(const Bytes order, file.read_at(entry->offset, std::min<std::uint64_t>(entry->bytes, 16)));
  if (order.text() == "little") return {};
  return refused("byte order " + in_quotes(order.text()) + ", expected 'little'");
}

// Walks the state_dict: tensors become TensorInfo, other plain values metadata. Dicts in dicts give
// names with dots between.
class Collector {
 public:
  Collector(const PyObjects& objects, const Archive& archive, std::uint32_t file_index,
            Source::Parts& parts)
      : objects_(objects), archive_(archive), file_index_(file_index), parts_(parts) {}

  Result<void> visit(PyValue value, const std::string& path, int depth) {
    if (depth > kMaxDepth || ++visits_ > kMaxVisits) {
      return refused("values nested too deep, or too many of them");
    }
    switch (value.kind) {
      case Kind::kTensor: {
        RQ_CHECK_IN(add_tensor(objects_.tensors[index(value)], path), printable(path));
        return {};
      }
      case Kind::kDict:
        return visit_dict(value, path, depth);
      case Kind::kSequence:
        return visit_sequence(value, path, depth);
      case Kind::kBool:
        return note(path, value.number != 0 ? "true" : "false");
      case Kind::kInt:
        return note(path, std::to_string(value.number));
      case Kind::kText:
        return note(path, std::string(objects_.texts[index(value)]));
      case Kind::kGlobal: {
        const PyGlobal& global = *objects_.globals[index(value)];
        return note(path, fmt::format("{}.{}", global.module, global.name));
      }
      default:
        return {};
    }
  }

 private:
  struct Strided {
    Shape shape;
    std::vector<std::int64_t> strides;
  };
  using Memory = std::tuple<std::uint64_t, DType, Shape, std::vector<std::int64_t>>;

  static std::size_t index(PyValue value) { return static_cast<std::size_t>(value.number); }

  Result<void> note(const std::string& path, std::string text) {
    parts_.metadata.emplace(path, std::move(text));
    return {};
  }

  Result<void> visit_dict(PyValue value, const std::string& path, int depth) {
    for (const auto& [key, member] : objects_.dicts[index(value)]) {
      std::string name;
      if (key.kind == Kind::kText) {
        name = objects_.texts[index(key)];
      } else if (key.kind == Kind::kInt) {
        name = std::to_string(key.number);
      } else {
        return refused(printable(path) + ": a dict with a key that is neither text nor number");
      }
      const bool control = std::any_of(name.begin(), name.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
      });
      if (control || !valid_utf8(name)) return corrupt(in_quotes(name) + ": no name for a tensor");
      if (depth > 0) name.insert(0, path + ".");
      if (name.size() > kMaxNameBytes) {
        return corrupt(fmt::format("{}: a name of {} bytes, expected at most {}",
                                   printable(name, 64), name.size(), kMaxNameBytes));
      }
      RQ_CHECK(visit(member, name, depth + 1));
    }
    return {};
  }

  Result<void> visit_sequence(PyValue value, const std::string& path, int depth) {
    const auto& items = objects_.sequences[index(value)];
    const bool numbers = std::all_of(items.begin(), items.end(),
                                     [](PyValue item) { return item.kind == Kind::kInt; });
    if (!numbers) {
      for (std::size_t i = 0; i < items.size(); ++i) {
        RQ_CHECK(visit(items[i], fmt::format("{}.{}", path, i), depth + 1));
      }
    } else if (items.size() <= kMaxListedNumbers) {
      Shape shape;
      for (const PyValue item : items) shape.push_back(item.number);
      return note(path, to_string(shape));
    }
    return {};
  }

  Result<Strided> shape_of(const PyTensor& tensor) {
    const auto& size = objects_.sequences[tensor.size];
    const auto& stride = objects_.sequences[tensor.stride];
    if (size.size() > kMaxDimensions) {
      return refused(fmt::format("more than {} dimensions", kMaxDimensions));
    }
    if (stride.size() != size.size()) return corrupt("as many strides as dimensions were expected");
    dimensions_ += size.size();
    if (dimensions_ > kMaxAllDimensions) return refused("too many dimensions in all");
    Strided strided;
    for (std::size_t d = 0; d < size.size(); ++d) {
      if (size[d].kind != Kind::kInt || size[d].number < 0 || stride[d].kind != Kind::kInt ||
          stride[d].number < 0) {
        return corrupt("a size or stride that is no number, or below 0");
      }
      strided.shape.push_back(size[d].number);
      strided.strides.push_back(size[d].number > 1 ? stride[d].number : 0);
    }
    return strided;
  }

  Result<const ZipEntry*> data_of(const PyStorage& storage) {
    const ZipEntry* entry = archive_.find(fmt::format("data/{}", storage.key));
    if (entry == nullptr) return corrupt("its data " + in_quotes(storage.key) + " is not there");
    const int bits =
        storage.type->role == Role::kUntypedStorage ? 8 : info(storage.type->dtype).bits;
    const auto bytes = (Checked(storage.count) * static_cast<std::uint64_t>(bits / 8)).value();
    if (!bytes || *bytes != entry->bytes) {
      return corrupt(fmt::format("its storage {} has {} bytes, expected {} of {} bits",
                                 in_quotes(storage.key), entry->bytes, storage.count, bits));
    }
    return entry;
  }

  // Checks that what shape and strides reach lies in the storage, and sets info's offset and bytes.
  Result<void> place(const PyTensor& tensor, const Strided& strided, const ZipEntry& data,
                     TensorInfo& info) {
    const PyGlobal& type = *tensor.dtype;
    const auto width = static_cast<std::uint64_t>(requant::info(type.dtype).bits * type.pack / 8);
    const std::uint64_t units = data.bytes / width;
    const auto count = element_count(strided.shape);
    const auto extent = strided_extent(strided.shape, strided.strides);
    const auto end = extent ? (Checked(tensor.offset) + *extent).value() : std::nullopt;
    if (!count || !end || (*count > 0 && *end > units)) {
      return corrupt(fmt::format("{} {} at element {} reaches past its storage of {} elements",
                                 name_of(type.dtype), to_string(strided.shape), tensor.offset,
                                 units));
    }
    // An expanded tensor repeats elements; its size on disk says nothing of what it would take.
    if (*count > units) {
      return refused(fmt::format("{} repeats the {} elements of its storage",
                                 to_string(strided.shape), units));
    }
    const auto skip = *count == 0 ? Checked(0) : Checked(tensor.offset) * width;
    info.offset = (Checked(data.offset) + skip).value().value_or(0);
    info.bytes = (Checked(*count) * width).value().value_or(0);
    return {};
  }

  Result<void> add_tensor(const PyTensor& tensor, const std::string& name) {
    RQ_TRY(Strided strided, shape_of(tensor));
    RQ_TRY(const ZipEntry* data, data_of(objects_.storages[tensor.storage]));
    TensorInfo info;
    info.name = name;
    info.dtype = tensor.dtype->dtype;
    info.file = file_index_;
    RQ_CHECK(place(tensor, strided, *data, info));
    const bool dense = is_dense(strided.shape, strided.strides);
    info.shape = std::move(strided.shape);
    TensorInfo::Special special;
    if (!dense) special.strides = std::move(strided.strides);
    if (const int pack = tensor.dtype->pack; pack > 1) {
      if (!dense || info.shape.empty()) return refused("packed elements with strides");
      const auto last =
          (Checked::from_signed(info.shape.back()) * static_cast<std::uint64_t>(pack)).value();
      info.shape.back() = static_cast<std::int64_t>(last.value_or(0));
    }
    if (info.bytes > 0) {
      Memory memory(info.offset, info.dtype, info.shape, special.strides);
      const auto [first, fresh] = memories_.emplace(std::move(memory), name);
      if (!fresh) special.shares_with = first->second;
    }
    const bool is_special = !special.strides.empty() || !special.shares_with.empty();
    if (is_special) info.set_special(std::move(special));
    parts_.tensors.push_back(std::move(info));
    return {};
  }

  const PyObjects& objects_;
  const Archive& archive_;
  std::uint32_t file_index_;
  Source::Parts& parts_;
  std::map<Memory, std::string> memories_;
  std::size_t visits_ = 0;
  std::size_t dimensions_ = 0;
};

Result<void> check_is_zip(const File& file) {
  RQ_TRY(const Bytes head, file.read_at(0, std::min(file.size(), kHeadBytes)));
  if (head.text().starts_with("PK\x03\x04")) return {};
  const std::string_view found = foreign_format(head.span());
  const std::string message = fmt::format("expected a PyTorch zip archive, found {}",
                                          found.empty() ? "something unknown" : found);
  if (found != kPickleFormat) return corrupt(message);
  return refused(message +
                 ": the format before PyTorch 1.6, which is read by running it; load it in "
                 "PyTorch and save it as safetensors");
}

Result<void> read_archive(const File& file, std::uint32_t file_index, Source::Parts& parts) {
  RQ_CHECK(check_is_zip(file));
  RQ_TRY(const Archive archive, open_archive(file));
  RQ_CHECK(check_byte_order(file, archive));
  const ZipEntry& pickle = *archive.find(kPickleEnd.substr(1));
  if (pickle.bytes > kMaxPickleBytes) {
    return refused(fmt::format("a pickle of {}, expected at most {}", human_bytes(pickle.bytes),
                               human_bytes(kMaxPickleBytes)));
  }
  RQ_TRY(Bytes bytes, file.read_at(pickle.offset, pickle.bytes));
  RQ_TRY(const PyObjects objects, read_pickle(std::move(bytes)));
  if (objects.root.kind != Kind::kDict) return refused("the pickle holds no dict of tensors");
  return Collector(objects, archive, file_index, parts).visit(objects.root, "", 0);
}

Result<void> read_header(const File& file, std::uint32_t file_index, Source::Parts& parts) {
  RQ_CHECK_IN(read_archive(file, file_index, parts), file.label());
  return {};
}

Match identify(const Probe& probe) {
  ByteReader reader(probe.head);
  const bool zip = reader.u32() == 0x04034B50 && reader.ok();
  const auto extension = probe.path.extension();
  const bool named = extension == ".bin" || extension == ".pt" || extension == ".pth";
  return zip && named ? Match::kYes : zip || named ? Match::kMaybe : Match::kNo;
}

constexpr std::string_view kIndexNames[] = {"pytorch_model.bin.index.json"};
constexpr std::string_view kFileNames[] = {"pytorch_model.bin", "qmodel.pt"};
constexpr std::string_view kExtensions[] = {".bin", ".pt", ".pth"};

}  // namespace

extern const Container k_container_pytorch;
const Container k_container_pytorch = {
    .name = "pytorch",
    .long_name = "PyTorch zip archive, one file or sharded; pickles are read, never run",
    .source = "https://github.com/pytorch/pytorch torch/serialization.py, 2.5.1 and 2.13.0",
    .identify = identify,
    .read_header = read_header,
    .index_names = kIndexNames,
    .file_names = kFileNames,
    .extensions = kExtensions,
};

}  // namespace requant
