// One change of a bundle that keeps it one: a number, key or string of a JSON file, a name, dtype,
// size or fill of a tensor, a line left out or doubled; else libFuzzer's own change of bytes.
#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/text.h"
#include "target.h"

// libFuzzer's.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t limit);

namespace requant::fuzz {
namespace {

constexpr std::string_view kNumbers[] = {
    "0",  "1",    "-1",   "2", "3",   "4",   "8",    "16",         "32",
    "64", "128",  "4096", "5", "0.5", "1e3", "-128", "2147483648", "9223372036854775807",
    "7",  "1e999"};
constexpr std::string_view kDTypes[] = {"F32", "F16", "BF16", "I32",     "I64",     "I8",
                                        "U8",  "I16", "F64",  "F8_E4M3", "F8_E5M2", "F8_E8M0"};

class Mutation {
 public:
  Mutation(std::string_view text, unsigned seed) : random_(seed) {
    for (const std::string_view line : split(text, '\n')) lines_.emplace_back(line);
  }

  std::string run() {
    const std::size_t tensors = section("== tensors");
    const std::size_t end = section("== data");
    const bool of_json = tensors == lines_.size() || below(3) == 0;
    if (of_json) {
      change_json(std::min(tensors, lines_.size()));
    } else if (end > tensors + 1) {
      change_tensor(tensors + 1 + below(end - tensors - 1));
    }
    std::string text;
    for (const std::string& line : lines_) text.append(text.empty() ? "" : "\n").append(line);
    return text;
  }

 private:
  std::size_t below(std::size_t count) { return count == 0 ? 0 : random_() % count; }
  template <std::size_t kCount>
  std::string one_of(const std::string_view (&words)[kCount]) {
    return std::string(words[below(kCount)]);
  }

  std::size_t section(std::string_view head) const {
    return static_cast<std::size_t>(std::ranges::find(lines_, head) - lines_.begin());
  }

  // A JSON file is one line.
  void change_json(std::size_t end) {
    const std::size_t at = below(end);
    auto json = parse_json(lines_[at]);
    if (!json) return;
    change_value(*json);
    lines_[at] = json->dump();
  }

  void change_value(Json& value) {
    if (value.is_object() && !value.members().empty()) {
      auto& members = value.members();
      const std::size_t at = below(members.size());
      if (below(8) == 0) {
        members.erase(members.begin() + static_cast<std::ptrdiff_t>(at));
      } else {
        change_value(members[at].second);
      }
      return;
    }
    switch (below(6)) {
      case 0:
        value = Json(below(2) == 0);
        break;
      case 1:
        value = Json();
        break;
      case 2:
        value = Json(lines_[below(lines_.size())]);
        break;
      case 3:
        value = Json::array({Json::number(one_of(kNumbers)), value});
        break;
      default:
        value = Json::number(one_of(kNumbers));
    }
  }

  void change_tensor(std::size_t at) {
    std::vector<std::string> words;
    for (const std::string_view word : split(lines_[at], ' ')) words.emplace_back(word);
    switch (below(7)) {
      case 0:
        lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(at));
        return;
      case 1:
        lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>(at), lines_[at] + "x");
        return;
      case 2:
        if (words.size() > 1) words[1] = one_of(kDTypes);
        break;
      case 3:
        if (words.size() > 3) std::swap(words[2], words[3]);
        break;
      case 4:
        words.emplace_back(below(2) == 0 ? "z" : "i");
        break;
      default:
        if (words.size() > 2) words[2 + below(words.size() - 2)] = one_of(kNumbers);
    }
    lines_[at] = join(words, " ");
  }

  std::minstd_rand random_;
  std::vector<std::string> lines_;
};

}  // namespace
}  // namespace requant::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t limit, unsigned seed) {
  const std::string_view before = requant::fuzz::text_of(data, size);
  if (seed % 4 == 0 || before.starts_with("GGUF")) return LLVMFuzzerMutate(data, size, limit);
  const std::string text = requant::fuzz::Mutation(before, seed).run();
  const std::size_t taken = std::min(text.size(), limit);
  std::memcpy(data, text.data(), taken);
  return taken;
}
