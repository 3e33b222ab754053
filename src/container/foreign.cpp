#include "container/foreign.h"

#include <algorithm>

#include "base/bytes.h"

namespace requant {
namespace {

struct Signature {
  std::string_view begins;
  std::string_view what;
};

constexpr Signature kSignatures[] = {
    {"version https://git-lfs",
     "a git-lfs pointer (the file itself was not downloaded: 'git lfs pull' fetches it)"},
    {"PK\x03\x04", "a zip archive (as PyTorch's .bin and .pt are)"},
    {"GGUF", "a GGUF file"},
    {"\x1f\x8b", "gzip data"},
    {"\x28\xb5\x2f\xfd", "zstd data"},
    {"\x80\x02", kPickleFormat},
    {"\x80\x03", kPickleFormat},
    {"\x80\x04", kPickleFormat},
    {"\x80\x05", kPickleFormat},
    {"{", "JSON text"},
};

bool same_letter(char a, char b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return lower(a) == lower(b);
}

bool is_web_page(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  for (const std::string_view tag : {"<!doctype html", "<html", "<?xml"}) {
    if (text.size() >= tag.size() &&
        std::equal(tag.begin(), tag.end(), text.begin(), same_letter)) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string_view foreign_format(std::span<const std::byte> head) {
  if (head.empty()) return "an empty file";
  const auto is_zero = [](std::byte b) { return b == std::byte{0}; };
  if (head.size() >= 8 && std::all_of(head.begin(), head.end(), is_zero)) {
    return "zeros (an interrupted download, or a write that was lost)";
  }
  const std::string_view text(static_cast<const char*>(static_cast<const void*>(head.data())),
                              head.size());
  for (const auto& [begins, what] : kSignatures) {
    if (text.starts_with(begins)) return what;
  }
  return is_web_page(text) ? "a web page (the download failed)" : std::string_view();
}

}  // namespace requant
