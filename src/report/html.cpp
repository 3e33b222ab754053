// One page that needs nothing else: no script, no picture, no font, no network. Its policy forbids
// them, so that even a mistake in escaping could load and run nothing.
#include <algorithm>
#include <span>
#include <string>

#include "base/embedded.h"
#include "base/folder.h"
#include "base/text.h"
#include "report/html_parts.h"
#include "report/subject.h"
#include "requant/version.h"

namespace requant {

std::span<const EmbeddedFile> report_styles();  // made by rq_embed()

namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action "
    "'none'";

// A query may hold a signature.
std::string source_name(const ReportSubject& subject) {
  const std::string source = subject.source.string();
  return is_address(source) ? source.substr(0, source.find_first_of("?#")) : source;
}

std::string verdict_words(const std::string& verdict) {
  if (verdict == "yes") return "Yes";
  return verdict == "no" ? "No" : "Unknown";
}

void add_verdict(const ReportSubject& subject, HtmlWriter& out) {
  if (subject.check == nullptr) return;
  const CheckResult& check = *subject.check;
  out.add("<div class=\"verdict {}\"><strong>{}</strong><p>{}</p></div>\n", check.verdict,
          verdict_words(check.verdict), check.summary);
}

const MemoryNeed* memory_of(const ReportSubject& subject) {
  if (subject.check != nullptr && subject.check->memory) return &*subject.check->memory;
  if (subject.matrix != nullptr && subject.matrix->memory) return &*subject.matrix->memory;
  return nullptr;
}

// What an inspection comes to, where no engine was asked about.
void add_state(const ReportSubject& subject, HtmlWriter& out) {
  if (subject.matrix != nullptr) return add_matrix_verdict(*subject.matrix, out);
  if (subject.check != nullptr || subject.inspection == nullptr) return;
  const Inspection& inspection = *subject.inspection;
  const auto count = [&](Severity severity) {
    return std::ranges::count(inspection.findings, severity, &Finding::severity);
  };
  const auto errors = count(Severity::kError);
  const auto warnings = count(Severity::kWarning);
  const std::string_view state = errors > 0 ? "no" : warnings > 0 ? "unknown" : "yes";
  const auto plural = [](auto number, std::string_view word) {
    return fmt::format("{} {}{}", number, word, number == 1 ? "" : "s");
  };
  const std::string problems =
      errors + warnings == 0 ? "Nothing in it contradicts itself."
                             : plural(errors, "error") + ", " + plural(warnings, "warning") + ".";
  out.add("<div class=\"verdict {}\"><strong>{}</strong><p>{}. {}</p></div>\n", state,
          inspection.dialect, inspection.dialect_long_name, problems);
}

void add_fact(std::string_view label, const std::string& value, const std::string& more,
              HtmlWriter& out) {
  if (value.empty()) return;
  out.add("<div><dt>{}</dt><dd>{}", label, value);
  if (!more.empty()) out.add("<small>{}</small>", more);
  out.add("</dd></div>\n");
}

void add_facts(const ReportSubject& subject, HtmlWriter& out) {
  const Inspection& i = *subject.inspection;
  out.add("<dl class=\"facts\">\n");
  if (i.parameters > 0) {
    add_fact("bits per weight", fmt::format("{:.2f}", i.bits_per_weight),
             i.quantised_weights == 0 ? "nothing is quantised"
                                      : fmt::format("{:.2f} where quantised, scales included",
                                                    i.bits_per_quantised_weight),
             out);
    add_fact("parameters", count_text(i.parameters),
             i.quantised_weights == 0
                 ? ""
                 : fmt::format("{} quantised in {} weights", count_text(i.quantised_parameters),
                               grouped(i.quantised_weights)),
             out);
  }
  add_fact("size", human_bytes(i.bytes),
           fmt::format("{} tensors, {} {} file{}", grouped(i.tensor_count), i.weight_files.size(),
                       i.container, i.weight_files.size() == 1 ? "" : "s"),
           out);
  if (const MemoryNeed* memory = memory_of(subject)) {
    add_fact("on each GPU", human_bytes(memory->weight_bytes + memory->cache_bytes),
             memory->cache_known
                 ? fmt::format("{} of it keys and values; buffers not counted",
                               human_bytes(memory->cache_bytes))
                 : std::string("weights; keys and values are not known, buffers not counted"),
             out);
  }
  if (subject.check != nullptr || subject.matrix != nullptr)
    add_fact("dialect", i.dialect, i.dialect_long_name, out);
  add_fact("written by", i.writer.empty() ? "not known" : i.writer + " " + i.writer_version,
           i.writer_evidence.empty() ? "" : i.writer_evidence.front(), out);
  add_fact("architecture", i.architecture, i.architecture_known ? "" : "not known", out);
  out.add("</dl>\n");
}

void add_claims(const Inspection& inspection, HtmlWriter& out) {
  out.add("<section aria-labelledby=\"claims\">\n<h2 id=\"claims\">What config.json says</h2>\n");
  if (inspection.claims.empty()) out.add("<p>No quantisation.</p>\n");
  for (const InspectClaim& claim : inspection.claims) {
    out.add("<p><span class=\"name\">{}</span>: {}{}{}</p>\n", claim.where, claim.method,
            claim.text.empty() ? "" : ": ", claim.text);
  }
  for (const std::string& evidence : inspection.evidence) {
    out.add("<p class=\"soft\">taken for {}, for {}</p>\n", inspection.dialect, evidence);
  }
  out.add("</section>\n");
}

std::string title_of(const ReportSubject& subject) {
  if (subject.check == nullptr) return source_name(subject);
  return fmt::format("{} on {} {}", source_name(subject), subject.check->engine,
                     subject.check->version);
}

void add_head(const ReportSubject& subject, HtmlWriter& out) {
  Html style;
  for (const EmbeddedFile& file : report_styles()) style.text += file.text;
  out.add(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
      "http-equiv=\"Content-Security-Policy\" content=\"{}\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" "
      "content=\"no-referrer\">\n<link rel=\"icon\" "
      "href=\"data:,\">\n<title>{}</title>\n<style>\n{}"
      "</style>\n</head>\n",
      Html{std::string(kPolicy)}, title_of(subject), style);
}

std::string render(const ReportSubject& subject) {
  HtmlWriter out;
  add_head(subject, out);
  out.add("<body>\n<main>\n<h1><span class=\"name\">{}</span>", source_name(subject));
  if (subject.check != nullptr) {
    out.add(" on {} {}", subject.check->engine, subject.check->version);
  }
  out.add("</h1>\n");
  add_verdict(subject, out);
  add_state(subject, out);
  if (subject.inspection != nullptr) add_facts(subject, out);
  if (subject.matrix != nullptr) out.add("{}", engine_section(subject));
  out.add("{}", finding_section(subject));
  if (subject.matrix == nullptr) out.add("{}", engine_section(subject));
  if (subject.inspection != nullptr) {
    out.add("{}", layer_section(*subject.inspection));
    add_claims(*subject.inspection, out);
  }
  out.add("<footer>requant {}</footer>\n</main>\n</body>\n</html>\n", std::string(version()));
  return std::move(out).take().text;
}

}  // namespace

std::string count_text(std::uint64_t count) {
  const auto value = static_cast<double>(count);
  if (count >= 1'000'000'000'000) return fmt::format("{:.2f} T", value / 1e12);
  if (count >= 1'000'000'000) return fmt::format("{:.2f} G", value / 1e9);
  if (count >= 1'000'000) return fmt::format("{:.1f} M", value / 1e6);
  if (count >= 10'000) return fmt::format("{:.0f} k", value / 1e3);
  return grouped(count);
}

extern const ReportForm k_report_html;
const ReportForm k_report_html = {
    .name = "html",
    .summary = "one web page that needs nothing else",
    .wants_inspection = true,
    .render = render,
};

}  // namespace requant
