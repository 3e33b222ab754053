#include "bundle.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/json.h"
#include "base/text.h"
#include "base/threads.h"
#include "container/writer.h"

namespace requant::fuzz {
namespace {

constexpr std::string_view kSection = "== ";
constexpr std::string_view kGguf = "GGUF";
constexpr std::string_view kPickled = "pytorch_model.bin";
constexpr std::uint64_t kGgufDataBytes = 1 << 22;
constexpr std::uint64_t kPartBytes = 1 << 16;
constexpr std::int64_t kDimension = std::int64_t{1} << 40;  // as containers have it
constexpr std::size_t kTensors = 256;

// To start a thread takes longer than what it would do.
[[maybe_unused]] const bool kAlone = (set_thread_limit(1), true);

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// "1,2" -> two integers of 8 bytes.
std::string numbers(std::string_view text) {
  std::string bytes;
  for (const std::string_view word : split(text, ',')) {
    std::int64_t number = 0;
    std::from_chars(word.data(), word.data() + word.size(), number);
    for (unsigned i = 0; i < 8; ++i) bytes += static_cast<char>(number >> 8 * i & 0xFF);
  }
  return bytes;
}

// z, i, m, i128.
void parse_fill(std::string_view word, BundleTensor& tensor) {
  std::uint64_t step = 0;
  const auto [end, error] = std::from_chars(word.data() + 1, word.data() + word.size(), step);
  if (word.size() > 1 && (error != std::errc() || step == 0)) return;
  tensor.fill = word[0];
  if (step != 0) tensor.step = step;
}

std::map<std::string, std::string> parse_metadata(std::string_view text) {
  std::map<std::string, std::string> metadata;
  const auto json = parse_json(text);
  if (!json) return metadata;
  for (const auto& [key, value] : json->members()) {
    if (const auto words = value.as_string()) metadata.emplace(key, *words);
  }
  return metadata;
}

std::vector<BundleTensor> parse_tensors(std::string_view text) {
  std::vector<BundleTensor> tensors;
  while (!text.empty() && tensors.size() < kTensors) {
    const std::string_view line = take_line(text);
    const auto words = split(line, ' ');
    if (words.size() < 2) continue;
    const auto dtype = dtype_named(words[1]);
    if (!dtype) continue;
    BundleTensor tensor;
    tensor.name = words[0];
    tensor.dtype = *dtype;
    for (std::size_t i = 2; i < words.size(); ++i) {
      std::int64_t size = 0;
      const std::string_view word = words[i];
      if (word.starts_with('"')) {
        tensor.own = line.substr(static_cast<std::size_t>(word.data() - line.data()) + 1);
        break;
      }
      if (word.starts_with('=')) tensor.own = numbers(word.substr(1));
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), size);
      if (error == std::errc()) tensor.shape.push_back(size);
      if (error != std::errc() && !word.empty()) parse_fill(word, tensor);
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

// `out` from place `at` of the text said over and over.
void repeat(std::string_view text, std::uint64_t at, std::span<char> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const std::string_view piece = text.substr((at + done) % text.size());
    const std::size_t taken = std::min(piece.size(), out.size() - done);
    std::memcpy(out.data() + done, piece.data(), taken);
    done += taken;
  }
}

// Two digits a byte; what is no digit counts as 0.
std::string from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at + 2 <= text.size(); at += 2) {
    unsigned byte = 0;
    std::from_chars(text.data() + at, text.data() + at + 2, byte, 16);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

// Bytes for the tensors, each taking on where the one before it stopped.
class Filler {
 public:
  explicit Filler(std::string data) : data_(std::move(data)) {}

  void add(const BundleTensor& tensor, std::uint64_t begin, std::uint64_t size) {
    if (size > 0) places_.emplace(begin + size, Place{tensor, begin, taken_});
    if (tensor.own.empty() && tensor.fill == 0) taken_ += size;
  }

  // What lies at `offset` of all tensors, which leave no holes, as far as there are any.
  void fill(std::uint64_t offset, std::span<char> out) const {
    for (auto at = places_.upper_bound(offset); !out.empty() && at != places_.end(); ++at) {
      const auto& [end, place] = *at;
      const auto piece = out.first(std::min<std::uint64_t>(end - offset, out.size()));
      fill(place, offset - place.begin, piece);
      offset = end;
      out = out.subspan(piece.size());
    }
  }

 private:
  struct Place {
    BundleTensor tensor;
    std::uint64_t begin = 0;
    std::uint64_t taken = 0;  // of the data, before it
  };

  void fill(const Place& place, std::uint64_t offset, std::span<char> out) const {
    const BundleTensor& tensor = place.tensor;
    if (!tensor.own.empty()) return repeat(tensor.own, offset, out);
    if (tensor.fill == 'i' || tensor.fill == 'm') return count(tensor, offset, out);
    if (tensor.fill == 'z' || data_.empty()) return;  // zeros
    repeat(data_, place.taken + offset, out);
  }

  static void count(const BundleTensor& tensor, std::uint64_t offset, std::span<char> out) {
    const auto width = static_cast<std::uint64_t>(std::max(info(tensor.dtype).bits / 8, 1));
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::uint64_t at = (offset + i) / width;
      const std::uint64_t number = tensor.fill == 'i' ? at / tensor.step : at % tensor.step;
      out[i] = static_cast<char>((offset + i) % width == 0 ? number : 0);
    }
  }

  std::string data_;
  std::map<std::uint64_t, Place> places_;  // by their ends
  std::uint64_t taken_ = 0;
};

std::optional<std::uint64_t> bytes_of_tensor(const BundleTensor& tensor) {
  const auto count = element_count(tensor.shape);
  return count ? byte_size(tensor.dtype, *count) : std::nullopt;
}

}  // namespace

Bundle Bundle::parse(std::string_view text) {
  Bundle bundle;
  if (text.starts_with(kGguf)) {
    bundle.gguf = text;
    return bundle;
  }
  while (!text.empty()) {
    std::string_view head = take_line(text);
    if (!head.starts_with(kSection)) continue;
    head.remove_prefix(kSection.size());
    if (head == "data") {
      bundle.data = text;
      break;
    }
    const std::string next = "\n" + std::string(kSection);
    std::size_t end = text.starts_with(kSection) ? 0 : text.find(next);
    end = std::min(end, text.size());
    const std::string_view body = text.substr(0, end);
    if (head == "tensors") {
      bundle.tensors = parse_tensors(body);
    } else if (head == "metadata") {
      bundle.metadata = parse_metadata(body);
    } else {
      bundle.files.emplace(head, body);
    }
    text.remove_prefix(std::min(end + (end > 0 ? 1 : 0), text.size()));
  }
  return bundle;
}

std::shared_ptr<const Folder> Bundle::folder() const {
  auto folder = std::make_shared<MemoryFolder>();
  if (!gguf.empty()) {
    folder->add("model.gguf", MemoryFile{std::string(gguf), gguf.size() + kGgufDataBytes, {}});
    return folder;
  }
  for (const auto& [name, text] : files) {
    folder->add(name, name == kPickled ? from_hex(text) : text);
  }
  if (files.contains(kPickled)) return folder;
  std::vector<PlannedTensor> plan;
  for (const BundleTensor& tensor : tensors) {
    const auto same = [&](const PlannedTensor& other) { return other.name == tensor.name; };
    if (std::ranges::any_of(plan, same)) return nullptr;
    plan.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  const auto layout = safetensors_layout(plan, metadata);
  if (!layout) return nullptr;
  auto filler = std::make_shared<Filler>(std::string(data));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    filler->add(tensors[i], layout->offsets[i], *bytes_of_tensor(tensors[i]));
  }
  const std::uint64_t header_bytes = layout->header.size();
  MemoryFile file{layout->header, header_bytes + layout->data_bytes,
                  [filler, header_bytes](std::uint64_t offset, std::span<char> out) {
                    filler->fill(offset - header_bytes, out);
                  }};
  folder->add("model.safetensors", std::move(file));
  return folder;
}

WeightParts Bundle::parts() const {
  WeightParts parts;
  Filler filler{std::string(data)};
  std::uint64_t begin = 0;
  for (const BundleTensor& tensor : tensors) {
    const auto size = bytes_of_tensor(tensor);
    const bool possible =
        std::ranges::all_of(tensor.shape, [](auto n) { return n >= 0 && n <= kDimension; });
    if (!size || *size > kPartBytes || !possible) continue;
    std::string bytes(*size, '\0');
    filler.add(tensor, begin, *size);
    filler.fill(begin, bytes);
    begin += *size;
    auto copy = Bytes::copy_of(bytes_of(bytes));
    if (copy)
      parts.insert_or_assign(tensor.name, Tensor{tensor.dtype, tensor.shape, *std::move(copy)});
  }
  return parts;
}

}  // namespace requant::fuzz
