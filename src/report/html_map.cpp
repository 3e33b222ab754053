#include <algorithm>
#include <string>

#include "base/text.h"
#include "report/html_parts.h"

namespace requant {
namespace {

constexpr std::size_t kQuantisedColours = 8;
constexpr std::size_t kOtherColours = 3;
constexpr std::size_t kMostRows = 60;  // of one stack; the rest is counted
constexpr std::size_t kMostSingles = 60;
constexpr std::size_t kMostKinds = 24;
constexpr std::size_t kFewestLines = 8;  // between the columns of a strip: of few they say nothing,
constexpr std::size_t kMostLines = 100;  // of many they cover it

// Letters name the colours for those who do not see them: A, B ... Z, then none.
std::string letter_of(std::size_t kind) {
  return kind < 26 ? std::string(1, static_cast<char>('A' + kind)) : "";
}

std::string class_of(const SchemeMap& map, std::size_t kind) {
  if (map.kinds[kind].quantised) return fmt::format("k{}", kind % kQuantisedColours);
  const auto first = std::ranges::find(map.kinds, false, &SchemeMap::Kind::quantised);
  const auto place = kind - static_cast<std::size_t>(first - map.kinds.begin());
  return fmt::format("d{}", place % kOtherColours);
}

std::string words_of(const SchemeMap::Kind& kind) {
  return kind.activations == "none" || kind.activations.empty()
             ? kind.stored
             : kind.stored + "; activations " + kind.activations;
}

std::string words_of(const SchemeMap& map, const SchemeMap::Run& run) {
  std::string words = run.first == run.last ? fmt::format("layer {}: ", run.first)
                                            : fmt::format("layers {} to {}: ", run.first, run.last);
  for (std::size_t i = 0; i < run.kinds.size(); ++i) {
    words += (i == 0 ? "" : ", and ") + words_of(map.kinds[run.kinds[i]]);
  }
  return words;
}

double bits_of(const SchemeMap::Kind& kind) {
  return kind.elements == 0
             ? 0
             : 8 * static_cast<double>(kind.bytes) / static_cast<double>(kind.elements);
}

// How the bytes are shared among the kinds.
void add_bar(const SchemeMap& map, HtmlWriter& out) {
  std::uint64_t all = 0;
  for (const SchemeMap::Kind& kind : map.kinds) all += kind.bytes;
  if (all == 0) return;
  out.add("<p class=\"soft\">Share of the bytes</p>\n<div class=\"bar\" aria-hidden=\"true\">");
  for (std::size_t i = 0; i < map.kinds.size(); ++i) {
    const double share = 100 * static_cast<double>(map.kinds[i].bytes) / static_cast<double>(all);
    const std::string letter = share >= 4 ? letter_of(i) : "";
    out.add("<i class=\"{}\" style=\"flex:{:.3f}\" title=\"{}: {:.1f} %\">{}</i>", class_of(map, i),
            share, words_of(map.kinds[i]), share, letter);
  }
  out.add("</div>\n");
}

void add_kinds(const SchemeMap& map, HtmlWriter& out) {
  out.add(
      "<table class=\"kinds\">\n<thead><tr><th scope=\"col\"></th><th scope=\"col\">stored "
      "as</th><th "
      "scope=\"col\">activations</th><th scope=\"col\" class=\"number\">tensors or weights</th><th "
      "scope=\"col\" class=\"number\">parameters</th><th scope=\"col\" "
      "class=\"number\">size</th><th "
      "scope=\"col\" class=\"number\">bits each</th></tr></thead>\n<tbody>\n");
  const std::size_t shown = std::min(map.kinds.size(), kMostKinds);
  for (std::size_t i = 0; i < shown; ++i) {
    const SchemeMap::Kind& kind = map.kinds[i];
    out.add(
        "<tr><td><span class=\"swatch {}\">{}</span></td><td>{}</td><td "
        "data-label=\"activations\">{}"
        "</td><td class=\"number\" data-label=\"weights\">{}</td><td class=\"number\" "
        "data-label=\"parameters\">{}</td><td class=\"number\" data-label=\"size\">{}</td><td "
        "class=\"number\" data-label=\"bits each\">{:.2f}</td></tr>\n",
        class_of(map, i), letter_of(i), kind.stored,
        kind.activations == "none" ? (kind.quantised ? "not quantised" : "") : kind.activations,
        grouped(kind.modules), count_text(kind.elements), human_bytes(kind.bytes), bits_of(kind));
  }
  out.add("</tbody></table>\n");
  if (shown < map.kinds.size()) {
    out.add("<p class=\"soft\">and {} more kinds</p>\n", map.kinds.size() - shown);
  }
}

void add_row(const SchemeMap& map, const SchemeMap::Stack& stack, const SchemeMap::Row& row,
             HtmlWriter& out) {
  const bool is_lined = stack.layers >= kFewestLines && stack.layers <= kMostLines;
  std::string words;
  for (const SchemeMap::Run& run : row.runs) {
    words += (words.empty() ? "" : "; ") + words_of(map, run);
  }
  out.add(
      "<div class=\"row\"><span class=\"name\">{}</span><div class=\"strip{}\" role=\"img\" "
      "style=\"--layers:{}\" aria-label=\"{}\">",
      row.module, is_lined ? " lined" : "", stack.layers, words);
  for (const SchemeMap::Run& run : row.runs) {
    std::string letters;
    for (const std::size_t kind : run.kinds) letters += letter_of(kind);
    out.add("<i class=\"{}{}\" style=\"grid-column:{}/{}\" title=\"{}\">{}</i>",
            class_of(map, run.kinds.front()), run.kinds.size() > 1 ? " mixed" : "", run.first + 1,
            run.last + 2, words_of(map, run), letters);
  }
  out.add("</div></div>\n");
}

void add_stack(const SchemeMap& map, const SchemeMap::Stack& stack, HtmlWriter& out) {
  out.add("<h3><span class=\"name\">{}</span>: {} layers</h3>\n", stack.name, stack.layers);
  const std::size_t shown = std::min(stack.rows.size(), kMostRows);
  for (std::size_t i = 0; i < shown; ++i) add_row(map, stack, stack.rows[i], out);
  if (shown < stack.rows.size()) {
    out.add("<p class=\"soft\">and {} more modules</p>\n", stack.rows.size() - shown);
  }
  if (stack.layers > 1) {
    out.add(
        "<div class=\"row\" aria-hidden=\"true\"><span class=\"axis-label\"></span><div "
        "class=\"axis\"><span>layer 0</span><span>{}</span></div></div>\n",
        stack.layers - 1);
  }
}

void add_singles(const SchemeMap& map, HtmlWriter& out) {
  if (map.singles.empty()) return;
  out.add("<h3>Outside the layers</h3>\n<ul class=\"singles\">\n");
  const std::size_t shown = std::min(map.singles.size(), kMostSingles);
  for (std::size_t i = 0; i < shown; ++i) {
    const SchemeMap::Single& single = map.singles[i];
    const std::string letter = letter_of(single.kind);
    out.add(
        "<li><span class=\"swatch {}\" title=\"{}\">{}</span><span class=\"name\">{}</span></li>\n",
        class_of(map, single.kind), words_of(map.kinds[single.kind]), letter, single.module);
  }
  out.add("</ul>\n");
  if (shown < map.singles.size()) {
    out.add("<p class=\"soft\">and {} more</p>\n", map.singles.size() - shown);
  }
}

}  // namespace

Html layer_section(const Inspection& inspection) {
  const SchemeMap map = scheme_map(inspection);
  if (map.kinds.empty()) return {};
  HtmlWriter out;
  out.add(
      "<section aria-labelledby=\"schemes\">\n<h2 id=\"schemes\">How the weights are stored</h2>\n"
      "<div class=\"card\">\n");
  add_bar(map, out);
  add_kinds(map, out);
  out.add(
      "</div>\n</section>\n<section aria-labelledby=\"layers\">\n<h2 id=\"layers\">Layer by "
      "layer</h2>\n<p class=\"soft\">A strip for each module, a column for each layer; the letters "
      "are those of the table above. Where a strip is empty, the layer has no such module. Vectors "
      "(norms, biases) are not shown.</p>\n<div "
      "class=\"card\">\n");
  for (const SchemeMap::Stack& stack : map.stacks) add_stack(map, stack, out);
  add_singles(map, out);
  out.add("</div>\n</section>\n");
  return std::move(out).take();
}

}  // namespace requant
