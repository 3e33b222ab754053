#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdlib>

#include "cli/command.h"
#include "requant/convert.h"
#include "requant/inspect.h"

namespace requant::cli {
namespace {

struct Options {
  std::string color = "auto";
  bool no_progress = false;
  bool quiet = false;
};

Options& options() {
  static Options value;
  return value;
}

// What the terminal conventions of the environment ask for (no-color.org, bixense.com/clicolors).
std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool wants_color(std::FILE* stream) {
  if (options().color != "auto") return options().color == "always";
  if (!environment("NO_COLOR").empty()) return false;
  const std::string force = environment("CLICOLOR_FORCE");
  if (!force.empty() && force != "0") return true;
  return isatty(fileno(stream)) != 0 && environment("TERM") != "dumb";
}

std::string_view code_of(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kRed:
      return "\x1b[31m";
    case Style::kYellow:
      return "\x1b[33m";
    case Style::kGreen:
      return "\x1b[32m";
    case Style::kCyan:
      return "\x1b[36m";
  }
  return "";
}

constexpr Style kStyles[] = {Style::kBold,   Style::kDim,   Style::kRed,
                             Style::kYellow, Style::kGreen, Style::kCyan};
constexpr std::string_view kReset = "\x1b[0m";

// The length of the style that begins `text`; 0 where none does.
std::size_t style_length(std::string_view text) {
  if (text.starts_with(kReset)) return kReset.size();
  const auto* const style = std::ranges::find_if(
      kStyles, [&](Style candidate) { return text.starts_with(code_of(candidate)); });
  return style == std::end(kStyles) ? 0 : code_of(*style).size();
}

// The last gate before a terminal: no control character of a file's goes out, whoever forgot it.
void write(std::string_view text, std::FILE* stream) {
  const bool colored = wants_color(stream);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t style = colored && byte == 0x1B ? style_length(text.substr(i)) : 0;
    if (style > 0) {
      out += text.substr(i, style);
      i += style - 1;
    } else if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += text[i];
    }
  }
  std::fwrite(out.data(), 1, out.size(), stream);
}

// Columns that `text` takes: code points, without escape sequences.
std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && text[i] != 'm') ++i;
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      ++width;
    }
  }
  return width;
}

bool is_number(std::string_view cell) {
  return !cell.empty() && std::isdigit(static_cast<unsigned char>(cell.front())) != 0 &&
         cell.find_first_not_of("0123456789.,%") == std::string_view::npos;
}

Style style_of(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return Style::kRed;
    case Severity::kWarning:
      return Style::kYellow;
    case Severity::kInfo:
      return Style::kCyan;
  }
  return Style::kPlain;
}

}  // namespace

void add_terminal_options(CLI::App& app) {
  app.add_option("--color", options().color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->default_str("auto");
  app.add_flag("--no-progress", options().no_progress, "draw no progress bar");
  app.add_flag("-q,--quiet", options().quiet, "no messages but errors");
}

std::string styled(std::string_view text, Style style, std::FILE* stream) {
  if (style == Style::kPlain || !wants_color(stream)) return std::string(text);
  return fmt::format("{}{}{}", code_of(style), text, kReset);
}

int terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 100;
}

bool wants_progress() {
  return !options().no_progress && !options().quiet && isatty(STDERR_FILENO) != 0 &&
         environment("TERM") != "dumb";
}

void print(std::string_view text) { write(text, stdout); }

std::string shortened(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  // Not within a UTF-8 sequence.
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  return std::string(text.substr(0, limit)) + " ...";
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows[r].size(); ++i) {
      const std::string& cell = rows[r][i];
      const std::string padding(widths[i] - width_of(cell), ' ');
      const bool right = r > 0 && is_number(cell);
      if (i > 0) line += "  ";
      line += right ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    print((r == 0 ? styled(line, Style::kBold) : line) + "\n");
  }
}

void print_findings(const std::vector<Finding>& findings, std::FILE* stream) {
  for (const Finding& finding : findings) {
    std::string text = fmt::format(
        "{} {}{}{}\n", styled(name_of(finding.severity), style_of(finding.severity), stream),
        finding.where, finding.where.empty() ? "" : ": ", finding.message);
    const auto detail = [&](std::string_view label, std::string_view value) {
      if (!value.empty()) {
        text += fmt::format("  {} {}\n", styled(fmt::format("{:<9}", label), Style::kDim, stream),
                            value);
      }
    };
    detail("expected", finding.expected);
    detail("observed", finding.observed);
    detail("evidence", finding.evidence);
    detail("why", finding.why);
    detail("repair", finding.repair);
    detail("rule", finding.rule);
    write(text, stream);
  }
}

void print_notice(const std::string& line) {
  if (options().quiet) return;
  const std::string whole = visible(line) + "\n";
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

int report(const Error& error) {
  write(fmt::format("{} {}\n", styled("error:", Style::kRed, stderr), error.message()), stderr);
  switch (error.code()) {
    case ErrorCode::kUsage:
      return kUsageError;
    case ErrorCode::kCorrupt:
    case ErrorCode::kNotFound:
      return kBadInput;
    case ErrorCode::kRefused:
      return kRefusal;
    case ErrorCode::kResource:
      return kNoResources;
    case ErrorCode::kInterrupted:
      return stop_signal() == SIGTERM ? kTermination : kInterruption;
  }
  return kNoResources;
}

}  // namespace requant::cli
