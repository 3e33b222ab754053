#include "cli/tokens.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "cli/terminal.h"

namespace requant::cli {
namespace {

constexpr std::size_t kTextLimit = std::size_t{1} << 30;

Result<std::string> read_stream(std::istream& stream, const std::string& name) {
  std::string text;
  std::string piece(std::size_t{1} << 16, '\0');
  while (stream.read(piece.data(), static_cast<std::streamsize>(piece.size())) ||
         stream.gcount() > 0) {
    text.append(piece, 0, static_cast<std::size_t>(stream.gcount()));
    if (text.size() > kTextLimit) return refused(name + " is longer than a GiB");
  }
  if (stream.bad()) return resource(name + " cannot be read");
  return text;
}

}  // namespace

Result<std::string> read_text(const std::filesystem::path& path) {
  if (path == "-") return read_stream(std::cin, "stdin");
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return not_found(path.string() + ": no such file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream || std::filesystem::is_directory(path, ignored)) {
    return resource(path.string() + " cannot be read");
  }
  return read_stream(stream, path.string());
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

Result<std::vector<std::uint32_t>> parse_ids(std::string_view text) {
  constexpr std::string_view kBetween = " ,\t\n\r[]";
  std::vector<std::uint32_t> ids;
  for (std::size_t i = text.find_first_not_of(kBetween); i != std::string_view::npos;
       i = text.find_first_not_of(kBetween, i)) {
    const std::size_t end = std::min(text.size(), text.find_first_of(kBetween, i));
    std::uint32_t id = 0;
    const auto read = std::from_chars(text.data() + i, text.data() + end, id);
    if (read.ec != std::errc() || read.ptr != text.data() + end) {
      return usage(fmt::format("'{}' is no number of a token", text.substr(i, end - i)));
    }
    ids.push_back(id);
    i = end;
  }
  return ids;
}

void print_text(std::string_view text) {
  if (isatty(STDOUT_FILENO) != 0) {
    print(text);
  } else {
    print_bytes(text);
  }
  (void)std::fflush(stdout);
}

void print_bytes(std::string_view bytes) {
  (void)std::fwrite(bytes.data(), 1, bytes.size(), stdout);
}

std::string ids_text(const std::vector<std::uint32_t>& ids) {
  return fmt::format("{}", fmt::join(ids, " "));
}

}  // namespace requant::cli
