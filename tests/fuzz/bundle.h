#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "codec/codec.h"
#include "memory_folder.h"
#include "tensor/tensor.h"

// A whole checkpoint as a short text that mutations keep meaningful:
//
//   == config.json
//   {"model_type": "llama", ...}
//   == tensors
//   model.layers.0.mlp.up_proj.qweight I32 8 64
//   model.layers.0.mlp.up_proj.g_idx I32 64 i
//   == metadata
//   {"format": "pt"}
//   == data
//   bytes that the tensors take in turn, over and over
//
// A tensor's line may end with z (zeros), i (element k is k / 32), i128 (k / 128), m8 (k % 8),
// =1,2,3 (numbers of 8 bytes), or " and text. A file pytorch_model.bin, in hexadecimal digits,
// stands for the tensors. A text that begins as GGUF is such a file, with zeros for data.
namespace requant::fuzz {

struct BundleTensor {
  std::string name;
  DType dtype = DType::kU8;
  Shape shape;
  char fill = 0;
  std::uint64_t step = 32;  // of the fills i and m
  std::string own;          // its bytes, where the line has them
};

struct Bundle {
  std::map<std::string, std::string, std::less<>> files;
  std::vector<BundleTensor> tensors;
  std::map<std::string, std::string> metadata = {{"format", "pt"}};
  std::string_view data;  // of the input
  std::string_view gguf;  // of the input

  static Bundle parse(std::string_view text);
  // What is opened: the folder, or its weights where no config is beside them.
  std::string name() const {
    return gguf.empty() && !files.contains("config.json") ? "model.safetensors" : "";
  }
  // Its files and a safetensors file of its tensors, or its GGUF file; nothing where no safetensors
  // file can have such tensors.
  std::shared_ptr<const Folder> folder() const;
  // The tensors as parts of one weight; those too large are left out.
  WeightParts parts() const;
};

}  // namespace requant::fuzz
