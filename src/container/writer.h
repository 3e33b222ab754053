#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "container/container.h"
#include "tensor/tensor.h"

namespace requant {

// A tensor that is to be written: sizes are known before the first byte is.
struct PlannedTensor {
  std::string name;
  DType dtype = DType::kU8;
  Shape shape;
};

// Where everything lies in a weight file that is to be written; what belongs to neither the header
// nor a tensor is zeros.
struct FileLayout {
  std::string header;  // from the first byte on
  std::uint64_t bytes = 0;
  // By name, with dtype, shape, place and, where the file does not hold the rows one after the
  // other, strides: as a reader would find them.
  std::vector<TensorInfo> tensors;
};

// Writes one weight file whose tensors are all announced first and then filled in any order, from
// several threads: fill() writes at the tensor's place (pwrite).
//
// The file has its full size from the start, but its header is written by finish(), after the data
// has reached the disk: what is left by a crash before begins with zeros and no reader accepts it.
class TensorFileWriter {
 public:
  // Creates `path`, which must not exist, and reserves the space: a full disk is kResource here.
  static Result<TensorFileWriter> create(const std::filesystem::path& path, FileLayout layout);
  TensorFileWriter(TensorFileWriter&& other) noexcept;
  TensorFileWriter& operator=(TensorFileWriter&& other) noexcept;
  // Removes the file unless finish() succeeded.
  ~TensorFileWriter();

  std::uint64_t file_bytes() const { return file_bytes_; }

  // Bytes [begin, begin + bytes.size()) of the tensor of that name, as a dense row-major tensor.
  // Each byte is filled once.
  Result<void> fill(std::string_view name, std::uint64_t begin, std::span<const std::byte> bytes);

  // Header, fsync and close. kCorrupt when a tensor was not filled to its last byte.
  Result<void> finish();

 private:
  struct Place {
    TensorInfo info;
    std::uint64_t filled = 0;
  };
  TensorFileWriter() = default;
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::string header_;
  std::uint64_t file_bytes_ = 0;
  std::map<std::string, Place, std::less<>> places_;
};

// A safetensors file. The order of the data and the header's padding are those of the reference
// writer (formats: dtype wide to narrow, then name; header padded with spaces to 8). metadata goes
// into __metadata__.
struct SafetensorsWriter {
  static Result<TensorFileWriter> create(const std::filesystem::path& path,
                                         const std::vector<PlannedTensor>& tensors,
                                         const std::map<std::string, std::string>& metadata);
};

// The header (length prefix, JSON, padding) that `tensors` get, and where each one's data begins,
// counted from the header's end, in the order given.
struct SafetensorsLayout {
  std::string header;
  std::vector<std::uint64_t> offsets;
  std::uint64_t data_bytes = 0;
};
Result<SafetensorsLayout> safetensors_layout(std::span<const PlannedTensor> tensors,
                                             const std::map<std::string, std::string>& metadata);
// The same with the place of each tensor in the file, in the order given.
Result<FileLayout> safetensors_file(std::span<const PlannedTensor> tensors,
                                    const std::map<std::string, std::string>& metadata);

}  // namespace requant
