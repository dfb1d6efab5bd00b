// Pictures as SVG: points and lines over two axes, and bars.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sesame::bench {

struct Point {
  double x = 0;
  double y = 0;
  double size = 0;    // of a disc: its area is in proportion; 0: a small mark
  std::string label;  // beside the point; may be empty
};

struct Series {
  std::string name;  // in the legend; empty: not in it
  std::vector<Point> points;
  bool is_line = true;     // joined in the order of x
  bool is_dashed = false;  // a bound rather than a measurement, drawn without marks
};

struct Chart {
  std::string title;
  std::string x_label;
  std::string y_label;
  bool log_x = false;  // all x above 0
  bool log_y = false;
  bool y_from_zero = true;  // without log_y
  std::vector<Series> series;
};

// An <svg> element of its own, 720 x 440, readable without anything else. A chart without points says so.
std::string to_svg(const Chart& chart);

struct Bar {
  std::string name;
  double value = 0;
  std::string text;  // behind the bar
};

// Horizontal bars, the first on top.
std::string bars_to_svg(const std::string& title, const std::vector<Bar>& bars);

// Round numbers that cover [low, high], about `count` of them; powers of 10 with 2 and 5 between when `log`.
std::vector<double> ticks(double low, double high, int count, bool log);

std::string escape_xml(const std::string& text);

}  // namespace sesame::bench
