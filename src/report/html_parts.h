#pragma once

#include "report/html_writer.h"
#include "report/scheme_map.h"
#include "requant/report.h"

namespace requant {

// "The layers": a strip of colours for each module, and what the colours mean.
Html layer_section(const Inspection& inspection);

// "Findings", and what editing by hand would do.
Html finding_section(const ReportSubject& subject);

// "Runs on 3 of 9 engines".
void add_matrix_verdict(const CheckMatrix& matrix, HtmlWriter& out);

// Engines and their versions; empty where none were asked about.
Html engine_section(const ReportSubject& subject);

// "1.03 T", "7.24 G", "135.2 M", "12 k".
std::string count_text(std::uint64_t count);

}  // namespace requant
