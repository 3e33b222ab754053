#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "cli/command.h"

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
  return fmt::format("{}{}\x1b[0m", code_of(style), text);
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

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

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
    std::fwrite(text.data(), 1, text.size(), stream);
  }
}

int report(const Error& error) {
  const std::string line =
      fmt::format("{} {}\n", styled("error:", Style::kRed, stderr), error.message());
  std::fwrite(line.data(), 1, line.size(), stderr);
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
      return kInterruption;
  }
  return kNoResources;
}

}  // namespace requant::cli
