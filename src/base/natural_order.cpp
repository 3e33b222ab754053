#include "base/natural_order.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace requant {
namespace {

constexpr std::size_t kWordBytes = 8;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A run of digits as '0', how many there are without leading zeros (two bytes) and those digits:
// then the order of bytes is that of natural_less().
void append_key(std::string_view name, std::string& keys) {
  for (std::size_t i = 0; i < name.size();) {
    if (!is_digit(name[i])) {
      const std::size_t text = i;
      while (i < name.size() && !is_digit(name[i])) ++i;
      keys += name.substr(text, i - text);
      continue;
    }
    while (i < name.size() && name[i] == '0') ++i;
    const std::size_t begin = i;
    while (i < name.size() && is_digit(name[i])) ++i;
    const std::size_t digits = std::min<std::size_t>(i - begin, 0xFFFF);
    keys += '0';
    keys += static_cast<char>(digits >> 8);
    keys += static_cast<char>(digits & 0xFF);
    keys += name.substr(begin, i - begin);
  }
}

// Sorts by one word of the keys at a time, and only what was equal so far by the next one.
class KeySort {
 public:
  KeySort(std::size_t count, const std::function<std::string_view(std::size_t)>& name)
      : name_(name) {
    begins_.reserve(count + 1);
    begins_.push_back(0);
    for (std::size_t i = 0; i < count; ++i) {
      append_key(name(i), keys_);
      begins_.push_back(keys_.size());
    }
    keys_.append(kWordBytes, '\0');  // so that a word can be read at the last byte
  }

  std::vector<std::uint32_t> order() && {
    std::vector<Item> items(begins_.size() - 1);
    for (std::size_t i = 0; i < items.size(); ++i) items[i].number = static_cast<std::uint32_t>(i);
    sort(items.data(), items.data() + items.size(), 0);
    std::vector<std::uint32_t> order(items.size());
    std::ranges::transform(items, order.begin(), &Item::number);
    return order;
  }

 private:
  struct Item {
    std::uint64_t word = 0;
    std::uint32_t number = 0;
  };

  std::string_view key_of(std::uint32_t number) const {
    return std::string_view(keys_).substr(begins_[number], begins_[number + 1] - begins_[number]);
  }

  // Big-endian, zeros after the end.
  std::uint64_t word_of(std::uint32_t number, std::size_t at) const {
    const std::size_t begin = begins_[number] + at;
    const std::size_t end = begins_[number + 1];
    if (begin >= end) return 0;
    std::uint64_t word = 0;
    std::memcpy(&word, keys_.data() + begin, kWordBytes);
    word = __builtin_bswap64(word);
    const std::size_t beyond = kWordBytes - std::min(kWordBytes, end - begin);
    return word >> (8 * beyond) << (8 * beyond);
  }

  void sort(Item* begin, Item* end, std::size_t at) const {
    for (; end - begin > 1; at += kWordBytes) {
      bool all_end = true;
      for (Item* item = begin; item != end; ++item) {
        item->word = word_of(item->number, at);
        all_end = all_end && key_of(item->number).size() <= at;
      }
      if (all_end) return sort_equal(begin, end);
      if (begin->word == (end - 1)->word &&
          std::all_of(begin, end, [&](const Item& item) { return item.word == begin->word; })) {
        continue;
      }
      std::sort(begin, end, [](const Item& a, const Item& b) { return a.word < b.word; });
      while (begin != end) {
        Item* next = std::find_if(begin, end, [&](const Item& i) { return i.word != begin->word; });
        sort(begin, next, at + kWordBytes);
        begin = next;
      }
      return;
    }
  }

  void sort_equal(Item* begin, Item* end) const {
    const auto rank = [&](const Item& item) {
      return std::tuple(key_of(item.number).size(), name_(item.number), item.number);
    };
    std::sort(begin, end, [&](const Item& a, const Item& b) { return rank(a) < rank(b); });
  }

  const std::function<std::string_view(std::size_t)>& name_;
  std::string keys_;
  std::vector<std::size_t> begins_;
};

using NameOf = std::function<std::string_view(std::size_t)>;

// Where runs of ascending names begin, and `count` at the end; nothing where there are more than
// `most` of them.
std::vector<std::size_t> runs_of(std::size_t count, const NameOf& name, std::size_t most) {
  std::vector<std::size_t> edges = {0};
  for (std::size_t i = 1; i < count; ++i) {
    if (natural_less(name(i - 1), name(i))) continue;
    if (edges.size() == most) return {};
    edges.push_back(i);
  }
  edges.push_back(count);
  return edges;
}

// Merges neighbouring runs, of which mostly only the ends overlap.
void merge_runs(std::vector<std::size_t> edges, const NameOf& name,
                std::vector<std::uint32_t>& order) {
  const auto less = [&](std::uint32_t a, std::uint32_t b) {
    const std::string_view name_a = name(a);
    const std::string_view name_b = name(b);
    if (natural_less(name_a, name_b)) return true;
    return !natural_less(name_b, name_a) && std::pair(name_a, a) < std::pair(name_b, b);
  };
  const auto place = [&](std::size_t edge) {
    return order.begin() + static_cast<std::ptrdiff_t>(edge);
  };
  while (edges.size() > 2) {
    std::vector<std::size_t> left = {0};
    for (std::size_t i = 1; i < edges.size(); i += 2) {
      const std::size_t end = edges[std::min(i + 1, edges.size() - 1)];
      const auto middle = place(edges[i]);
      if (edges[i] < end) {
        const auto first = std::upper_bound(place(edges[i - 1]), middle, *middle, less);
        const auto last = std::lower_bound(middle, place(end), *(middle - 1), less);
        std::inplace_merge(first, middle, last, less);
      }
      left.push_back(end);
    }
    edges = std::move(left);
  }
}

}  // namespace

std::vector<std::uint32_t> natural_order(std::size_t count,
                                         const std::function<std::string_view(std::size_t)>& name) {
  constexpr std::size_t kUsualRun = 64;  // shorter ones are sorted faster than merged
  std::vector<std::size_t> edges = runs_of(count, name, 2 + count / kUsualRun);
  if (edges.empty()) return KeySort(count, name).order();
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  merge_runs(std::move(edges), name, order);
  return order;
}

}  // namespace requant
