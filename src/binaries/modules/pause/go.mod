module imgvol.invalid/cluster/pause

go 1.24
