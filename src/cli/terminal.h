#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "requant/finding.h"
#include "requant/result.h"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 calls it so
class App;
}

namespace requant::cli {

// --color, --no-progress, -q: what every command has.
void add_terminal_options(CLI::App& app);

enum class Style { kPlain, kBold, kDim, kRed, kYellow, kGreen, kCyan };

// `text` in that style where stdout (or stderr) is a terminal that wants colour; plain otherwise.
// NO_COLOR, CLICOLOR_FORCE and TERM=dumb are respected.
std::string styled(std::string_view text, Style style, std::FILE* stream = stdout);

// Columns of the terminal, or 100 where there is none.
int terminal_width();
// True when progress may be drawn: stderr is a terminal, and neither -q nor --no-progress was
// given.
bool wants_progress();

// At most `limit` bytes of it; "..." marks a cut.
std::string shortened(std::string_view text, std::size_t limit);

// Rows of cells with columns aligned; cells that hold numbers go to the right. The first row is the
// header.
void print_table(const std::vector<std::vector<std::string>>& rows);

// One block a finding: severity, rule, where, message, then expected / observed / evidence /
// repair.
void print_findings(const std::vector<Finding>& findings, std::FILE* stream = stdout);

// "error: ..." on stderr in one line; gives the exit code that belongs to it.
int report(const Error& error);

// A line on stderr, unless -q.
void print_notice(const std::string& line);

// Data on stdout; false (and a message) when stdout is closed or full.
void print(std::string_view text);

}  // namespace requant::cli
