#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/folder.h"
#include "base/name_index.h"
#include "base/result.h"
#include "tensor/tensor.h"

namespace requant {

enum class Match : std::uint8_t { kNo, kMaybe, kYes };

// One tensor of a checkpoint and where its bytes lie.
struct TensorInfo {
  std::string name;
  DType dtype = DType::kU8;
  Shape shape;
  std::uint32_t file = 0;    // index into Source::files()
  std::uint64_t offset = 0;  // of the first byte, from the start of the file
  std::uint64_t bytes = 0;   // as a dense row-major tensor

  // What few tensors have, apart, for checkpoints have a million of them.
  struct Special {
    // Where the file does not hold a dense row-major tensor: elements to step per dimension.
    std::vector<std::int64_t> strides = {};
    // The dimensions that `strides` step over, where `shape` has some of them as one.
    Shape strided_shape = {};
    // Of bytes that are blocks of codes and scales: the container's name for them ("Q4_K"). The
    // last dimension counts the bytes of a row.
    std::string_view encoding = {};
    // Tensors that share memory with an earlier one (tied weights in PyTorch files) name it.
    std::string shares_with = {};
  };
  std::shared_ptr<const Special> special;  // nullptr: nothing of it

  const std::vector<std::int64_t>& strides() const { return get_special().strides; }
  const Shape& strided_shape() const { return get_special().strided_shape; }
  std::string_view encoding() const { return get_special().encoding; }
  const std::string& shares_with() const { return get_special().shares_with; }

  const Special& get_special() const {
    static const Special kNothing;
    return special == nullptr ? kNothing : *special;
  }
  void set_special(Special what) { special = std::make_shared<const Special>(std::move(what)); }
};

// Named tensors in one or several files. Reading headers is all that opening does.
class Source {
 public:
  struct Parts {
    std::string container;  // "safetensors", "pytorch", "gguf"
    std::vector<File> files;
    std::vector<TensorInfo> tensors;
    // safetensors' __metadata__, GGUF's keys with values as JSON; merged over shards.
    std::map<std::string, std::string> metadata;
    std::vector<std::string>
        notes;  // what is odd but legal: "total_size is 17, the tensors have 18"
  };
  // Fails when two tensors have the same name.
  static Result<Source> make(Parts parts);

  const std::string& container() const { return parts_.container; }
  std::span<const File> files() const { return parts_.files; }
  std::span<const TensorInfo> tensors() const { return parts_.tensors; }  // sorted by natural_less
  const std::map<std::string, std::string>& metadata() const { return parts_.metadata; }
  const std::vector<std::string>& notes() const { return parts_.notes; }
  std::uint64_t total_bytes() const;
  Parts take_parts() && { return std::move(parts_); }

  // nullptr when there is none of that name.
  const TensorInfo* find(std::string_view name) const;

  // The whole tensor. Messages name file and tensor. Safe to call from several threads.
  Result<Tensor> read(const TensorInfo& info) const;
  // A run of its bytes. REQUIRES: info.strides is empty.
  Result<void> read_bytes(const TensorInfo& info, std::uint64_t begin,
                          std::span<std::byte> out) const;

 private:
  Parts parts_;
  NameIndex by_name_;
};

// What a container's identify() may look at.
struct Probe {
  std::filesystem::path path;
  std::span<const std::byte> head;  // the first 4 KiB at most
};

// One way in which files hold named tensors.
struct Container {
  std::string_view name;       // "safetensors"
  std::string_view long_name;  // what `formats` prints
  std::string_view source;     // where the format is defined
  // Cheap: looks at the name and the head, does no I/O of its own.
  Match (*identify)(const Probe&);
  // Appends the tensors of one file to `parts`. `file_index` is the file's place in the Source.
  // Several threads may do so at once, each into parts of its own.
  Result<void> (*read_header)(const File& file, std::uint32_t file_index, Source::Parts& parts);
  // What can only be said of all files together, when they have been read.
  Result<void> (*check_all)(const Source::Parts& parts) = nullptr;
  // File names that the container looks for in a folder, in this order: an index first.
  std::span<const std::string_view> index_names;
  std::span<const std::string_view> file_names;
  // How the names of its files end; a shard that an index names must.
  std::span<const std::string_view> extensions;
};

std::span<const Container* const> containers();

// Opens a folder (by its index, its single file, or its shards), one weight file, or an index file.
//   kNotFound  no weights there;  kCorrupt  a malformed header, index or shard.
// An index may only name plain files of its own folder; symbolic links to regular files are
// followed. Headers beat the index: a tensor that the index does not list is still found; one that
// it lists and no shard has is an error.
Result<Source> open_source(const std::filesystem::path& path);
// A file of `folder`, or the whole of it where `name` is empty.
Result<Source> open_source(const Folder& folder, std::string_view name);

}  // namespace requant
