# One plot of docs/benchmarks.md: bars in groups, each with the least and the most of its rounds.
# Called with the title, the data and the file to write. The first line of the data names the sides; a row has a
# label, and median, least and most of each side, "?" where there is nothing.
set terminal svg size 760,320 font "sans-serif,13" background "white"
set output ARG3
set datafile missing "?"
set title ARG1 font ",17"
set style data histograms
set style histogram errorbars gap 1 lw 1
set style fill solid border -1
set boxwidth 0.95
set yrange [0:*]
set offsets 0, 0, graph 0.12, 0
set grid ytics lc "#dddddd"
set key outside right top
set xtics scale 0
colours = "#478cbf #d66624 #969696 #f0be96"
plot for [side = 0:3] ARG2 using 3*side+2:3*side+3:3*side+4:xtic(1) title columnheader(3*side+2) lc rgb word(colours, side+1)
