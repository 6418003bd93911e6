"""What the roles say to each other. Imports no other part of umi_lite."""
