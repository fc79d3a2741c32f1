# Every rule about paths; $C is the command, ${one:-one} the container, in a directory of one's own.
one=${one:-one}
mkdir -p rules/dir/sub rules/out && cd rules || exit 1
echo f >f; echo s >dir/sub/s; ln -s f lf; ln -s dir ld
t() { printf '$ %s' "$*"; "$C" "$@" >said 2>&1; echo " = $?"; }
inside() { for path; do $C cp "$one:$path" - 2>/dev/null | tar t 2>/dev/null; done; }
outside() { (cd out && find . ! -name . | sort); rm -rf out; mkdir out; }
t cp f $one:/f1; inside /f1
t cp f $one:/nodir/; t cp f $one:/no/such; t cp dir $one:/data/a
t cp f $one:/data; t cp f $one:/data/; t cp f $one:/data/.; t cp f $one:/data/a; inside /data
t cp dir $one:/newd; t cp dir $one:/newd; inside /newd
t cp dir/. $one:/newe; t cp dir/ $one:/newf; t cp dir/. $one:/newe; inside /newe /newf
t cp ld $one:/x1; t cp ld/ $one:/x2; t cp ld/. $one:/x3; t cp -L ld $one:/x4; t cp -L lf $one:/x5; t cp lf $one:/x6
inside /x1 /x2 /x3 /x4 /x5 /x6
t cp f $one:/link; t cp f $one:/link/; t cp f $one:/data/la; t cp f $one:data2/rel; inside /data /data2
t cp $one:/data out; t cp $one:/data out; outside
t cp $one:/data/. out; outside
t cp $one:/data/ out/n; outside
t cp $one:/data/. out/n; outside
t cp $one:/link out/; t cp -L $one:/link out/; t cp $one:/link/ out/; t cp $one:/link/. out/z; outside
t cp -L $one:/link out/; outside
t cp $one:/f1 out/q; t cp -a $one:/f1 out/r; t cp $one:/f1 out/nodir/; t cp $one:/f1 out/no/x; t cp $one:/data out/q; outside
t cp $one:/data ./out/../out/./w/; outside
t cp -L $one:/data/la out/ll; cat out/ll; outside
for path in /data /data/ /data/. /link /link/ /link/. /data/a data; do echo "tar $path"; inside $path; done
echo 'tar /'; $C cp $one:/ - | tar tP | grep -E '^/(data.*)?$'
t cp $one:/nope out; t cp nope $one:/; t cp f $one:; t cp - $one:/f1; t cp - $one:/nodir; t cp $one:/f1 /dev/null
tar c dir | $C cp - $one:/tmp; tar cz f | $C cp - $one:/tmp; inside /tmp
mkdir -p e/data; echo 1 >e/data/sub; t cp e/. $one:/; t cp dir/sub/s $one:/data/sub; inside /data
ln -s nowhere out/dangling; t cp $one:/f1 out/dangling; outside
cd ..
